"""Measurements of this project against limits that are measured in the same run: `python -m benchmarks`."""
