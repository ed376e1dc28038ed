"""Processes of runs that are killed while their commands run on Dataproc, until the janitor has cleaned up."""

from __future__ import annotations

import json
import random
import re
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from dagster import DagsterEvent, DagsterInstance

from benchmarks.project import make_project
from benchmarks.soak.trial import DOUBLED, LEAKED, LOST, RED, Bench, Tally, Trial, until
from starlake_gcp_emulator import EmulatorClient
from tests.dagster.dev.machinery import DAGSTER_YAML, Location, Server, dev_server

_AT_ONCE = 5
_PATIENCE = 240
_MONITORING = "run_monitoring: {enabled: true, poll_interval_seconds: 1, start_timeout_seconds: 120}\n"
_OVER = ("DONE", "ERROR", "CANCELLED")
_SPARK = {"dataproc_project_id": "p", "spark_bucket": "bucket", "spark_jar_list": "gs://jars/starlake.jar"}

_STARLAKE = """
table=$(echo "$*" | sed 's/.*--tables \\([a-z_0-9]*\\).*/\\1/')
areas=$SL_ROOT/datasets
mkdir -p $areas/ingesting/sales $areas/archive/sales
for file in $areas/stage/sales/$table-*.csv; do
  test -e "$file" && mv "$file" $areas/ingesting/sales/
done
while test -e "$SL_ROOT/slow_$table"; do sleep 0.1; done
rows=0
for file in $areas/ingesting/sales/$table-*.csv; do
  test -e "$file" || continue
  cat "$file" >> "$SL_ROOT/rows_$table"
  rows=1
  mv "$file" $areas/archive/sales/
done
echo "IngestionCounters:{\\"inputCount\\":$rows,\\"acceptedCount\\":$rows,\\"rejectedCount\\":0}"
"""
"""Script in place of Starlake: a load takes its files, waits as long as configured, and writes the rows to a file."""

_SOURCE = """
import json
import os
from itertools import pairwise

from dagster import Definitions, DependencyDefinition, GraphDefinition, In, JobDefinition, Nothing, in_process_executor

from ai.starlake.dagster.gcp import StarlakeDagsterDataprocJob

sl_job = StarlakeDagsterDataprocJob(options=json.loads(os.environ["TEST_OPTIONS"]))


def job(number):
    table = f"orders_{number}"
    load = sl_job.sl_load(f"load_{table}", "sales", table, ins={"start": In(Nothing)})
    nodes = [sl_job.pre_tasks(), load, sl_job.post_tasks()]
    follows = {
        later.name: {"start": DependencyDefinition(earlier.name, "result")} for earlier, later in pairwise(nodes)
    }
    graph = GraphDefinition(name=f"job_{number}", node_defs=nodes, dependencies=follows)
    return JobDefinition(graph_def=graph, executor_def=in_process_executor if number % 2 else None)


defs = Definitions(jobs=[job(number) for number in range(5)], sensors=sl_job.sensors())
"""


class _Runs:
    """Runs under `dagster dev`, each a load of a table of its own, on the emulator.

    Args:
        gcp: The emulator.
        location: The code location.
        server: Its `dagster dev`.
        instance: Its home, as Dagster sees it.
        tally: Receives what is found.
    """

    def __init__(
        self, gcp: EmulatorClient, location: Location, server: Server, instance: DagsterInstance, tally: Tally
    ) -> None:
        self.gcp = gcp
        self.location = location
        self.server = server
        self.tally = tally
        self.instance = instance
        self.root = location.root / "project"

    def folder(self, area: str) -> Path:
        made = self.root / "datasets" / area / "sales"
        made.mkdir(parents=True, exist_ok=True)
        return made

    def start(self, number: int, kill: int) -> str:
        """Delivers a file of one row, and launches a load that does not end by itself."""
        (self.root / f"slow_orders_{number}").touch()
        (self.root / f"rows_orders_{number}").unlink(missing_ok=True)
        (self.folder("stage") / f"orders_{number}-{kill}.csv").write_text(f"row {kill}\n", encoding="utf-8")
        return str(self.server.launch(f"job_{number}"))

    def kill(self, number: int, run_id: str, moment: float) -> None:
        """Kills the process of a run: some seconds after its start, or as soon as its Spark job runs."""
        pid = until(lambda: self._pid(run_id), _PATIENCE, 0.2)
        if moment < 0:
            until(lambda: any(job.state == "RUNNING" for job in self._jobs(run_id)), _PATIENCE, 0.2)
            until(lambda: any(self.folder("ingesting").glob(f"orders_{number}-*")), _PATIENCE)
            self.tally.add("kills while the Spark job ran")
        else:
            time.sleep(moment)
        try:
            psutil.Process(pid).send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            self.tally.add("runs that were over before")

    def _pid(self, run_id: str) -> int:
        messages = [event.message or "" for event in self._events(run_id)]
        pids = [int(pid) for message in messages for pid in re.findall(r"process \(pid: (\d+)\)", message)]
        return pids[0] if pids else 0

    def _jobs(self, run_id: str) -> list:
        return [job for job in self.gcp.spark_jobs if job.labels["starlake-run-id"] == run_id]

    def _clusters(self, run_id: str) -> list:
        return [one for one in self.gcp.all_clusters if one.labels["starlake-run-id"] == run_id]

    def settle(self, run_id: str) -> None:
        """Wait until Dagster has seen that the run is dead, and its janitor has cleaned up."""
        begin = time.monotonic()
        status = self._ended(run_id)
        self.tally.require(status == "FAILURE", "false green", f"the killed run is {status}")
        until(lambda: not self._left(run_id), _PATIENCE, 0.2)
        self.tally.most("seconds until all was clean, at most", time.monotonic() - begin)
        for left in self._left(run_id):
            self.tally.defect(LEAKED, f"{left} of the killed run")

    def _left(self, run_id: str) -> list[str]:
        jobs = [job.name for job in self._jobs(run_id) if job.state not in _OVER]
        return [*jobs, *(one.name for one in self._clusters(run_id) if one.state != "DELETED")]

    def load_again(self, number: int) -> str:
        (self.root / f"slow_orders_{number}").unlink()
        return str(self.server.launch(f"job_{number}"))

    def check(self, number: int, kill: int, run_id: str) -> None:
        """Check that the next run finds the file, and loads its row once."""
        status = self._ended(run_id)
        self.tally.require(status == "SUCCESS", RED, f"the next run is {status}: {self._why(run_id)}")
        rows = self.root / f"rows_orders_{number}"
        found = rows.read_text("utf-8").splitlines() if rows.exists() else []
        self.tally.require(found.count(f"row {kill}"), LOST, f"row {kill}: {found}")
        self.tally.require(found.count(f"row {kill}") < 2, DOUBLED, f"row {kill}: {found}")
        for area in ("stage", "ingesting"):
            for left in self.folder(area).glob(f"orders_{number}-*"):
                self.tally.defect(LEAKED, f"{left.name} is in the {area} area")

    def _why(self, run_id: str) -> str:
        return "; ".join(str(event.message) for event in self._events(run_id) if event.is_failure)[-500:]

    def _events(self, run_id: str) -> list[DagsterEvent]:
        return [entry.dagster_event for entry in self.instance.all_logs(run_id) if entry.dagster_event]

    def _ended(self, run_id: str) -> str:
        until(lambda: self.instance.get_run_by_id(run_id).is_finished, _PATIENCE, 0.3)
        return str(self.instance.get_run_by_id(run_id).status.value)


def _run(bench: Bench) -> None:
    choice = random.Random(bench.attempts)
    with _started(bench) as runs:
        for batch in bench.batches(_AT_ONCE):
            started = {kill: runs.start(kill % _AT_ONCE, kill) for kill in batch}
            for kill, run_id in started.items():
                runs.kill(kill % _AT_ONCE, run_id, -1 if choice.random() < 0.7 else choice.uniform(0, 1.5))
            for run_id in started.values():
                runs.settle(run_id)
            again = {kill: runs.load_again(kill % _AT_ONCE) for kill in batch}
            for kill, run_id in again.items():
                runs.check(kill % _AT_ONCE, kill, run_id)
        _end(runs)


def _end(runs: _Runs) -> None:
    """Nothing is left of any run, those that went well included."""
    gcp, tally = runs.gcp, runs.tally
    until(lambda: not gcp.clusters, 30)
    for cluster in gcp.clusters:
        tally.defect(LEAKED, f"cluster {cluster}")
    for job in gcp.spark_jobs:
        tally.require(job.state in _OVER, LEAKED, f"Spark job {job.name} is {job.state}")
        tally.require(job.cancelled < 2, DOUBLED, f"Spark job {job.name} was cancelled twice")
    tally.add("clusters", len(gcp.all_clusters))
    tally.add("Spark jobs", len(gcp.spark_jobs))


@contextmanager
def _started(bench: Bench) -> Iterator[_Runs]:
    root = bench.folder / "location"
    root.mkdir()
    make_project(root / "project", {"sales": [f"orders_{number}" for number in range(_AT_ONCE)]})
    with EmulatorClient.spawn(["/bin/sh", "-c", _STARLAKE, "starlake"], speed=3000, grace=1) as gcp:
        options = {
            **_SPARK,
            "sl_env_var": {"SL_ROOT": str(root / "project"), "SL_API": "true"},
            "poll_interval": 0.1,
            "storage_endpoint": gcp.storage_endpoint,
            "dataproc_endpoint": gcp.endpoint,
        }
        variables = {"TEST_OPTIONS": json.dumps(options)}
        location = Location.make(root, uuid.uuid4().hex, _SOURCE, DAGSTER_YAML + _MONITORING, **variables)
        try:
            with dev_server(location) as server, DagsterInstance.from_config(str(location.home)) as instance:
                yield _Runs(gcp, location, server, instance, bench.tally)
        finally:
            location.end_all()


TRIAL = Trial(
    title="Kills of runs on Dataproc",
    text="""\
Under `dagster dev` with run monitoring, five runs at once load a file each on Dataproc, the emulator's, with Dagster's
multiprocess executor and in process. The process of each is killed (SIGKILL), most of them while the Spark job runs,
the rest at any time. Dagster must see that the run is dead, the janitor sensors must end the Spark job and delete the
cluster, and the next run of the job must load the file, once.""",
    attempts=10,
    few=1,
    seconds=110,
    run=_run,
)
