"""Runs outside as Dagster records them: from rows of the audit to events, each once."""
