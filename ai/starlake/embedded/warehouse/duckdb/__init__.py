"""The warehouse that is a DuckDB database, and its templates of write strategies."""
