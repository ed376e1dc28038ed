"""Loads the sample project on the real Cloud Run and Dataproc, and says what became of it. It costs money.

    make gcp-smoke PROJECT=my-project REGION=europe-west1 BUCKET=my-bucket JOB=my-cloud-run-job JARS=gs://my-bucket/starlake.jar

It uses the Application Default Credentials. JOB names a Cloud Run job whose image has Starlake as its entry point, JARS
the jars of Starlake for Dataproc; what is left out is not tried. The project is copied to a folder of the bucket, and
its tables are written there as Parquet files; at the end the folder and the cluster are removed.

No test runs this on the real services.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from dagster import ExecuteInProcessResult, JobDefinition

    from ai.starlake.dagster.job import StarlakeDagsterJob

SAMPLE = Path(__file__).resolve().parent / "starbake"
DOMAIN = "starbake"
TABLES = ("Customers", "Ingredients", "Orders", "Products")
APPLICATION = """version: 1
application:
  connectionRef: files
  connections:
    files:
      type: FS
      sparkFormat: parquet
"""
"""The sample project writes into a DuckDB file, which cannot lie in a bucket."""


@dataclass(frozen=True)
class Place:
    """Environment of the sample.

    Args:
        project: The project of Google Cloud.
        region: The region.
        bucket: The bucket.
        options: Further options of the jobs.
    """

    project: str
    region: str
    bucket: str
    options: Mapping[str, Any]

    def cloud_run(self, root: str, job: str) -> StarlakeDagsterJob:
        """Return the factory of Cloud Run."""
        from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob

        own = {"cloud_run_project_id": self.project, "cloud_run_region": self.region, "cloud_run_job_name": job}
        return StarlakeDagsterCloudRunJob("imported", {**_common(root), **own, "cloud_run_logs": "all", **self.options})

    def dataproc(self, root: str, jars: str) -> StarlakeDagsterJob:
        """Return the factory of Dataproc, with the smallest cluster that there is."""
        from ai.starlake.dagster.gcp import StarlakeDagsterDataprocJob

        own = {
            "dataproc_project_id": self.project,
            "dataproc_region": self.region,
            "spark_bucket": self.bucket,
            "spark_jar_list": jars,
            "dataproc_name": "starlake-smoke",
            "dataproc_num_workers": 0,
            "dataproc_idle_delete_ttl": 600,
            "dataproc_auto_delete_ttl": 3600,
            "spark_executor_memory": "2g",
            "spark_executor_cores": 1,
        }
        return StarlakeDagsterDataprocJob("imported", {**_common(root), **own, **self.options})

    @contextmanager
    def copy(self, *, keep: bool) -> Iterator[str]:
        """Yield a copy of the sample project in the bucket; gone at the end, unless it is to be kept."""
        from ai.starlake.gcp.client.clients import storage_client
        from ai.starlake.gcp.client.endpoints import GcpEndpoints

        endpoints = GcpEndpoints(storage=self.options.get("storage_endpoint"))
        bucket = storage_client(endpoints, self.project).bucket(self.bucket)
        folder = f"starlake-smoke-{uuid.uuid4().hex[:8]}"
        try:
            for path in sorted(path for path in SAMPLE.rglob("*") if path.is_file()):
                part = path.relative_to(SAMPLE)
                if part.parts[0] in ("metadata", "incoming"):
                    bucket.blob(f"{folder}/{part.as_posix()}").upload_from_filename(str(path))
            bucket.blob(f"{folder}/metadata/application.sl.yml").upload_from_string(APPLICATION)
            yield f"gs://{self.bucket}/{folder}"
        finally:
            if not keep:
                for blob in list(bucket.list_blobs(prefix=f"{folder}/")):
                    blob.delete()


def _common(root: str) -> dict[str, Any]:
    return {"sl_env_var": json.dumps({"SL_ROOT": root, "SL_DATASETS": f"{root}/datasets"}), "project_copy": str(SAMPLE)}


def definition(sl_job: StarlakeDagsterJob) -> JobDefinition:
    """Return the job: what was delivered is staged and loaded."""
    from dagster import In, job

    start = sl_job.dummy_op("start")
    pre_load = sl_job.sl_pre_load(DOMAIN, TABLES)
    loads = [sl_job.sl_load(None, DOMAIN, table, ins={"domain": In(str)}) for table in TABLES]

    @job(name="smoke")
    def smoke() -> None:
        ready, _skipped = pre_load(start())
        for load in loads:
            load(ready)

    return smoke


def remove_cluster(sl_job: StarlakeDagsterJob, result: ExecuteInProcessResult | None) -> None:
    """Delete the cluster of a run, however the run ended; without a run the limits of the cluster have to."""
    from dagster import get_dagster_logger

    from ai.starlake.dagster.report import DagsterReporter
    from ai.starlake.executor import Execution
    from ai.starlake.gcp.dataproc.backend import DataprocExecutor

    executor = sl_job.executor()
    if result is not None and isinstance(executor, DataprocExecutor):
        executor.delete(Execution(result.run_id, "smoke", DagsterReporter(get_dagster_logger())))


def run(sl_job: StarlakeDagsterJob) -> dict[str, str]:
    """Run the job in this process.

    Returns:
        The outcome of each table.
    """
    result = None
    try:
        result = definition(sl_job).execute_in_process(raise_on_error=False)
        events = {event.step_key: event.event_type_value for event in result.all_events if event.step_key}
    finally:
        remove_cluster(sl_job, result)
    words = {"STEP_SUCCESS": "loaded", "STEP_FAILURE": "failed"}
    return {table: words.get(events.get(f"{DOMAIN}_{table}_load", ""), "not loaded") for table in TABLES}


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, and run what it names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", required=True, help="the project of Google Cloud")
    parser.add_argument("--region", required=True, help="the region")
    parser.add_argument("--bucket", required=True, help="the bucket, without gs://")
    parser.add_argument("--job", default="", help="the Cloud Run job")
    parser.add_argument("--jars", default="", help="the jars of Starlake for Dataproc, separated by commas")
    parser.add_argument("--options", type=json.loads, default={}, help="further options of the jobs, as a JSON object")
    parser.add_argument("--keep", action="store_true", help="leave the copy of the project in the bucket")
    given = parser.parse_args(arguments)
    if not given.job and not given.jars:
        parser.error("name a Cloud Run job (JOB=...), jars for Dataproc (JARS=...), or both")
    place = Place(given.project, given.region, given.bucket, given.options)
    wanted = {"Cloud Run": (place.cloud_run, given.job), "Dataproc": (place.dataproc, given.jars)}
    table = Table("service", *TABLES)
    outcomes: list[str] = []
    for service, (make, what) in wanted.items():
        if what:
            with place.copy(keep=given.keep) as root:
                found = run(make(root, what))
            table.add_row(service, *found.values())
            outcomes += found.values()
    Console().print(table)
    return 0 if set(outcomes) == {"loaded"} else 1


if __name__ == "__main__":
    sys.exit(main())
