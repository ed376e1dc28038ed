"""Lineage: the tables that the SQL of tasks reads, and dependencies between them."""
