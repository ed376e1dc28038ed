"""What runs outside did, as Dagster records it: from rows of the audit to events, each once."""
