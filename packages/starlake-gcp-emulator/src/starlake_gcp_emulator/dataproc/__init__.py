"""Clusters and Spark jobs of Dataproc."""
