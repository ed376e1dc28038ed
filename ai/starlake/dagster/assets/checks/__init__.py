"""Checks of assets: what is declared, what a run reports, and runs of checks alone."""
