"""Jobs, executions and logs of Cloud Run."""
