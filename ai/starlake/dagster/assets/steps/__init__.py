"""The steps of assets: their execution, and the events that they record."""
