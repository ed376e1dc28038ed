"""Commands as Spark jobs of a Dataproc cluster."""
