"""Dates of a run: their sources, their tags, and their form in commands."""
