"""Runs of commands within Airflow tasks."""
