"""Outcomes of the tables and tasks of a command."""
