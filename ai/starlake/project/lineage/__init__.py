"""Lineage: which tables the SQL of tasks reads, and what depends on what."""
