"""Spark SQL of scripts, filters and ``privacy: SQL:``, translated to DuckDB."""
