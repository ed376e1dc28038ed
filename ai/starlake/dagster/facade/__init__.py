"""Starlake runs of another scheduler, as external Dagster assets."""
