"""Sensors of assets: one that loads files when they arrive, and those that react to records of runs."""
