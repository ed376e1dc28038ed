"""Airflow operators that run Starlake commands, order them, and wait for files."""
