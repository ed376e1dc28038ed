"""Outside runs as Dagster events: from rows of the audit, each once."""
