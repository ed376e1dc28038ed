"""What generated DAG files build their pipelines of."""
