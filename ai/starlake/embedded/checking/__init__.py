"""Check values and convert them: types, patterns, dates, nested values, privacy and Spark expressions as DuckDB SQL."""
