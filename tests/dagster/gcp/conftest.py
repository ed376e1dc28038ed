"""Jobs on an emulated Google Cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob, StarlakeDagsterDataprocJob
from starlake_gcp_emulator import GcpEmulator
from tests.waiting import PATIENCE

PROJECT, REGION, RUN_JOB = "my-project", "europe-west1", "starlake"
SPARK = {"dataproc_project_id": PROJECT, "spark_bucket": "my-bucket", "spark_jar_list": "gcs://jars/starlake.jar"}

COMMAND = """
case "$*" in
  *wrong*) echo "there is no such file"; exit 1;;
  *slow*) exec sleep 600;;
  *late*) rm "$SL_ROOT/late" 2>/dev/null && touch "$(echo "$*" | sed 's/.*--notReadySentinel //')";;
  *flaky*) rm "$SL_ROOT/broken" 2>/dev/null && exit 1;;
esac
echo "starlake $*"
"""
"""Script in place of Starlake: its outcome depends on the table. `flaky` fails as long as a file exists, and `late` is
not ready. No name here consists of hexadecimal digits alone, which the id of a run might contain."""


def shell_command() -> list[str]:
    return ["/bin/sh", "-c", COMMAND, "starlake"]


@pytest.fixture
def gcp() -> Iterator[GcpEmulator]:
    with GcpEmulator(shell_command(), speed=3000, grace=1) as emulator:
        emulator.add_job(f"projects/{PROJECT}/locations/{REGION}/jobs/{RUN_JOB}", max_retries=0)
        yield emulator


class Factory:
    """Makes factories of ops whose commands the emulator runs."""

    def __init__(self, gcp: GcpEmulator, root: Path) -> None:
        self.root = root
        self.shared: dict[str, Any] = {
            "sl_env_var": {"SL_ROOT": str(root)},
            "poll_interval": 0.02,
            "outage_tolerance": PATIENCE,
            "storage_endpoint": gcp.storage_endpoint,
        }
        self.endpoint = gcp.endpoint

    def dataproc(self, **options: Any) -> StarlakeDagsterDataprocJob:
        given = {**self.shared, **SPARK, "dataproc_endpoint": self.endpoint, **options}
        return StarlakeDagsterDataprocJob(options=given)

    def cloud_run(self, **options: Any) -> StarlakeDagsterCloudRunJob:
        own = {"cloud_run_project_id": PROJECT, "cloud_run_job_name": RUN_JOB, "cloud_run_endpoint": self.endpoint}
        return StarlakeDagsterCloudRunJob(options={**self.shared, **own, **options})


@pytest.fixture
def factory(gcp: GcpEmulator, tmp_path: Path) -> Factory:
    (tmp_path / "project" / "metadata").mkdir(parents=True)
    return Factory(gcp, tmp_path / "project")
