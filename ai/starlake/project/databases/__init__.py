"""Connections: which one a table or task is written to, and how DuckDB opens it."""
