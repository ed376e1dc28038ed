"""Commands as executions of a Cloud Run job."""
