"""Runs of warm jobs in processes of their own, and all that must hold after one of them was killed."""

from __future__ import annotations

import json
import random
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from dagster import DagsterEventType, DagsterInstance

from benchmarks.project import make_project
from tests.dagster.dev.machinery import Location, wait_for
from tests.dagster.forked_commands import run_copied
from tests.executor.warm.fake_starlake import RUNS, FakeStarlake

TABLES = ("first", "second")
AREAS = ("stage", "ingesting", "archive")
_ATTEMPTS = {DagsterEventType.STEP_START, DagsterEventType.STEP_RESTARTED}
GONE = 30.0
"""Seconds until nothing of a run that was killed may be left."""

SOURCE = """
import json
import os
import time
from itertools import pairwise
from pathlib import Path

from dagster import (
    Definitions,
    DependencyDefinition,
    GraphDefinition,
    In,
    JobDefinition,
    Nothing,
    in_process_executor,
    op,
)

from ai.starlake.dagster.warm import StarlakeDagsterWarmJob

ROOT = Path(os.environ["TEST_ROOT"])
OPTIONS = json.loads(os.environ["TEST_OPTIONS"])


def until_gone(name):
    (ROOT / f"{name}_begun").touch()
    while (ROOT / name).exists():
        time.sleep(0.02)


@op(ins={"start": In(Nothing)})
def pause():
    until_gone("pause")


def nodes(prefix, **options):
    sl_job = StarlakeDagsterWarmJob(options={**OPTIONS, **options})
    first = sl_job.sl_load(f"{prefix}first", "shop", "first")
    return first, pause, sl_job.sl_load(f"{prefix}second", "shop", "second", ins={"start": In(Nothing)})


def graph(name, nodes):
    after = {later.name: {"start": DependencyDefinition(earlier.name)} for earlier, later in pairwise(nodes)}
    return GraphDefinition(name=name, node_defs=nodes, dependencies=after)


once = nodes("")
defs = Definitions(
    jobs=[
        JobDefinition(graph_def=graph("default", once)),
        JobDefinition(graph_def=graph("in_process", once), executor_def=in_process_executor),
        JobDefinition(graph_def=graph("retried", nodes("retried_", retries=1, retry_delay=0))),
    ]
)
"""

LOAD = """#!/bin/sh
table=$(echo "$*" | sed 's/.*--tables \\([a-z]*\\).*/\\1/')
areas=$SL_ROOT/datasets
echo "$SL_JOB_ID" >> "$SL_ROOT/starts"
for file in "$areas"/stage/shop/"$table"-*.csv; do
  test -e "$file" && mv "$file" "$areas/ingesting/shop/"
done
touch "$SL_ROOT/../${table}_begun"
while test -e "$SL_ROOT/../$table"; do sleep 0.02; done
rows=0
for file in "$areas"/ingesting/shop/"$table"-*.csv; do
  test -e "$file" || continue
  mv "$file" "$areas/archive/shop/"
  rows=$((rows + 1))
done
echo "IngestionCounters:{\\"inputCount\\":$rows,\\"acceptedCount\\":$rows,\\"rejectedCount\\":0}"
"""
"""A load: it takes its files, waits as long as configured, and moves them to the archive, which is its table."""


def is_jvm(process: psutil.Process) -> bool:
    """Return whether a process is a Java virtual machine; one that ended in between is not."""
    try:
        return process.name() == "java" and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def said_by(process: psutil.Process) -> str:
    """Return the command line of a process, empty if it ended in between."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@dataclass
class WarmRuns:
    """A code location of warm jobs: a load, an op that waits, and a second load.

    What waits does so as long as a file of its name exists: `first`, `pause` or `second`.

    Args:
        location: The code location.
    """

    location: Location
    delivered: int = 0

    @classmethod
    @contextmanager
    def started(cls, root: Path, fake: FakeStarlake) -> Iterator[WarmRuns]:
        """Write the code location and its project; in the end, nothing that was started from there is left.

        Args:
            root: The folder of the location, which exists.
            fake: What stands for Starlake.
        """
        make_project(root / "project", {"shop": list(TABLES)})
        (root / "load").write_text(LOAD)
        (root / "load").chmod(0o755)
        options = {
            "sl_env_var": json.dumps({"SL_ROOT": str(root / "project"), RUNS: str(root / "load")}),
            "SL_STARLAKE_PATH": str(fake.starlake),
        }
        # short: sockets of code servers are made there
        with TemporaryDirectory(prefix="warm-", ignore_cleanup_errors=True) as folder:
            variables = {"TEST_OPTIONS": json.dumps(options), "TMPDIR": folder}
            runs = cls(Location.make(root, uuid.uuid4().hex, SOURCE, **variables))
            for area in AREAS:
                runs.area(area)
            try:
                yield runs
            finally:
                while left := runs.processes():
                    for process in left:
                        with suppress(psutil.NoSuchProcess):
                            process.kill()
                    psutil.wait_procs(left, 1)

    @property
    def root(self) -> Path:
        return self.location.root

    def area(self, name: str) -> Path:
        folder = self.root / "project/datasets" / name / "shop"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def deliver(self) -> None:
        """Put a file of each table into the stage area."""
        self.delivered += 1
        for table in TABLES:
            (self.area("stage") / f"{table}-{self.delivered}.csv").write_text("id\n1\n")

    def hold(self, *names: str) -> None:
        """Let what has one of these names wait when it is next at work."""
        for name in names:
            (self.root / f"{name}_begun").unlink(missing_ok=True)
            (self.root / name).touch()

    def let_go(self) -> None:
        """Release all commands."""
        for name in (*TABLES, "pause"):
            (self.root / name).unlink(missing_ok=True)

    def execute(self, job: str) -> subprocess.Popen[bytes]:
        """Start a run whose process is ours."""
        return self.location.execute(job)

    def wait_until(self, name: str, run: subprocess.Popen[bytes] | None = None) -> None:
        """Wait until what has this name is at work."""

        def begun() -> bool:
            assert run is None or run.poll() is None, self.log()
            return (self.root / f"{name}_begun").exists()

        wait_for(f"{name} to begin", begun)

    def log(self) -> str:
        return self.location.log.read_text("utf-8", "replace")[-6000:]

    # -- processes -------------------------------------------------------------------------------------------------

    def processes(self) -> list[psutil.Process]:
        """Return everything that was started from here: servers and guards have none of the run's environment but this.

        A server receives so little of it because every user who sees its process could see its environment.
        """
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            folder = process.environ().get("TMPDIR")
            return folder == self.location.variables["TMPDIR"] and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def jvms(self) -> list[psutil.Process]:
        """Return the servers: all Java virtual machines that were started from here."""
        return [process for process in self.processes() if is_jvm(process)]

    def guards(self) -> list[psutil.Process]:
        """Return what watches over servers."""
        return [process for process in self.processes() if "_guard_main" in said_by(process)]

    def steps(self, worker: int) -> list[psutil.Process]:
        """Return the processes of the steps of a run with Dagster's multiprocess executor."""
        try:
            return [child for child in psutil.Process(worker).children() if "spawn_main" in said_by(child)]
        except psutil.NoSuchProcess:
            return []

    def left(self, of: Callable[[], list[psutil.Process]], within: float = GONE) -> list[str]:
        """Return what is left of some processes after some seconds at most."""
        deadline = time.monotonic() + within
        while (found := of()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return [f"{process}: {said_by(process)}" for process in found]

    def kill_by_chance(self, chosen: random.Random) -> str:
        """Start a run, kill the process of it, of a step, of the server or its guard at some time, and await its end.

        Returns:
            What was killed, and when.
        """
        victim = chosen.choice(["run", "step", "jvm", "guard"])
        job = chosen.choice(["default", "retried"] if victim == "step" else ["default", "in_process", "retried"])
        after, pause = chosen.choice(["the start", *TABLES, "pause"]), chosen.uniform(0, 0.5)
        begun = self.root / f"{after}_begun"
        begun.unlink(missing_ok=True)
        run = self.execute(job)
        while after != "the start" and not begun.exists() and run.poll() is None:
            time.sleep(0.005)
        time.sleep(pause)
        find = {"run": lambda: [run], "step": lambda: self.steps(run.pid), "jvm": self.jvms, "guard": self.guards}
        while not (victims := find[victim]()) and run.poll() is None:
            time.sleep(0.005)
        for process in victims if run.poll() is None else ():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        code = run.wait(240)
        return f"{len(victims)} x {victim} of {job}, {pause:.3f} s after {after}: exit code {code}"

    # -- what must hold --------------------------------------------------------------------------------------------

    def assert_no_file_is_lost(self) -> None:
        """Each file that was delivered is in one area, and nowhere else."""
        found = Counter(file.name for area in AREAS for file in self.area(area).iterdir() if file.suffix == ".csv")
        assert found == Counter(f"{table}-{n}.csv" for table in TABLES for n in range(1, self.delivered + 1))

    def assert_nothing_is_told_that_is_not(self) -> None:
        """Check that each table reported as loaded has its files in the archive; no command was started twice."""
        told = Counter(self._loaded())
        for table, files in told.items():
            archived = sum(file.name.startswith(f"{table}-") for file in self.area("archive").iterdir())
            assert archived >= files, f"{table}: {files} files are told as loaded, and {archived} are"
        starts = self.root / "project/starts"
        begun = Counter(starts.read_text().splitlines() if starts.exists() else [])
        assert begun <= self._attempts(), "a command that began was begun again"

    def _attempts(self) -> Counter[str]:
        """Count the attempts at each step, by the job id of its command."""
        with DagsterInstance.from_config(str(self.location.home)) as instance:
            return Counter(
                f"{run.run_id}.{entry.step_key}"
                for run in instance.get_runs()
                for entry in instance.all_logs(run.run_id, of_type=_ATTEMPTS)
            )

    def _loaded(self) -> Iterator[str]:
        """Yield the table of each file that a success tells to be loaded."""
        with DagsterInstance.from_config(str(self.location.home)) as instance:
            for run in instance.get_runs():
                for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION):
                    event = entry.get_dagster_event()
                    materialization = event.step_materialization_data.materialization
                    rows = materialization.metadata["starlake/rows_accepted"].value
                    yield from [str(event.step_key).removeprefix("retried_")] * int(rows)

    def assert_loaded_by_another_run(self, *, exactly: bool = True) -> None:
        """Check that the next run loads what the one before did not, and each file once; see `assert_all_is_loaded`."""
        self.let_go()
        place = self.location
        command = ["dagster", "job", "execute", "-f", str(place.file), "-j", "in_process"]
        assert run_copied(command, self.root, place.environment, place.log) == 0, self.log()
        self.assert_all_is_loaded(exactly=exactly)

    def assert_all_is_loaded(self, *, exactly: bool = True) -> None:
        """Check that each file is in the archive, nothing runs, and nothing else is reported.

        Args:
            exactly: Whether each load is reported too: one that was killed at its very end is not.
        """
        self.assert_no_file_is_lost()
        assert len(list(self.area("archive").iterdir())) == self.delivered * len(TABLES), self.log()
        self.assert_nothing_is_told_that_is_not()
        if exactly:
            assert sorted(self._loaded()) == sorted(list(TABLES) * self.delivered)
        assert self.left(self.jvms) == []
