"""Templates of DAG files for Dagster; the folder `dagster` holds what they share."""
