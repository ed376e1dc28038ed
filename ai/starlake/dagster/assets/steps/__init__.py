"""The steps of assets: what runs in them, and what they record."""
