"""Templates of DAG files for Airflow; the folder `airflow` holds what they share."""
