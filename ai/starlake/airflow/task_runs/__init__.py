"""Runs of commands within tasks of Airflow: what is Airflow's about them."""
