"""Connections: the one of a table or task, and how DuckDB opens it."""
