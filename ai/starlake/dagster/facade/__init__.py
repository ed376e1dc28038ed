"""Runs of Starlake that another scheduler starts, as assets of Dagster that are made elsewhere."""
