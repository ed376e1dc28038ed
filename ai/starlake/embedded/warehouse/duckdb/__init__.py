"""The DuckDB warehouse, and its templates of write strategies."""
