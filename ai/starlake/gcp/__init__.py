"""Starlake commands on Google Cloud: Dataproc and Cloud Run."""
