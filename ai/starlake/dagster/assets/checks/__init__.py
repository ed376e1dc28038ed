"""Checks of assets: their declaration, the results of runs, and runs of checks alone."""
