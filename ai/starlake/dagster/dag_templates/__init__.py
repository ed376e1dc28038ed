"""Templates of DAG files for Dagster; the folder `dagster` contains their shared parts."""
