"""Starlake commands on Google Cloud, run by Airflow tasks: as Spark jobs of Dataproc, or as Cloud Run executions.

Google's own packages are imported when a command runs, or a cluster is configured. Airflow's provider google is not
required.
"""

from __future__ import annotations

from ai.starlake.airflow import require_airflow

require_airflow()

from ai.starlake.airflow.gcp.cloud_run_tasks import StarlakeAirflowCloudRunJob
from ai.starlake.airflow.gcp.dataproc_tasks import StarlakeAirflowDataprocJob

__all__ = ["StarlakeAirflowCloudRunJob", "StarlakeAirflowDataprocJob"]
