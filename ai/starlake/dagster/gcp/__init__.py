"""Starlake commands on Google Cloud: as Spark jobs of Dataproc, or as executions of a Cloud Run job.

Google's own packages are imported when a command runs, or a cluster is configured; not when a DAG file imports this
package.
"""

from __future__ import annotations

from ai.starlake.dagster import require_dagster

require_dagster()

from ai.starlake.dagster.gcp.cloud_run import StarlakeDagsterCloudRunJob
from ai.starlake.dagster.gcp.dataproc import StarlakeDagsterDataprocJob

__all__ = ["StarlakeDagsterCloudRunJob", "StarlakeDagsterDataprocJob"]
