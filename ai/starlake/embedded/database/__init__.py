"""The open DuckDB database that files are read with: connections, quoting, statements of the project."""
