"""Operators of Airflow that run commands of Starlake, order them, and wait for files."""
