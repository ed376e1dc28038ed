"""Commands as Spark jobs on a Dataproc cluster."""
