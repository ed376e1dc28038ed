"""The verbs around the daily ones: start a project, describe files, show what depends on what, generate DAG files."""
