"""Templates of DAG files for Airflow; the folder `airflow` contains their shared parts."""
