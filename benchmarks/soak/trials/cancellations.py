"""Runs that are terminated under a real `dagster dev`, while they load."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from dagster import DagsterEvent, DagsterInstance

from benchmarks.project import make_project
from benchmarks.soak.trial import DOUBLED, GREEN, LEAKED, LOST, RED, Bench, Tally, Trial, until
from tests.dagster.dev.machinery import Location, Server, dev_server
from tests.embedded.properties.shop import Shop

_COMMANDS = ("plain", "stubborn", "forking", "detached", "flooding")
_EMBEDDED = "embedded"
_VARIANTS = (*_COMMANDS, _EMBEDDED)
_ROWS = 300_000
_PATIENCE = 240
_GONE = 20
"""Seconds within which processes must be gone when a run is over."""

_STARLAKE = """#!/bin/sh
table=$(echo "$*" | sed 's/.*--tables \\([a-z]*\\).*/\\1/')
areas=$SL_ROOT/datasets
for file in $areas/stage/shop/$table-*.csv; do
  test -e "$file" && mv "$file" $areas/ingesting/shop/
done
if test -e "$SL_ROOT/slow"; then
  touch "$SL_ROOT/notes/$SL_JOB_ID"
  case $table in
    plain) sleep 600 & wait ;;
    stubborn) trap "" TERM INT; sh -c 'trap "" TERM INT; sleep 600 & wait'; sleep 600 ;;
    forking) ( ( sleep 600 & ) & ); sleep 600 ;;
    detached) setsid sh -c 'setsid sleep 600 & wait' & sleep 600 ;;
    flooding) yes "a flood of errors" >&2 & yes "a flood of lines" ;;
  esac
fi
for file in $areas/ingesting/shop/$table-*.csv; do
  test -e "$file" || continue
  cat "$file" >> "$SL_ROOT/rows_$table"
  mv "$file" $areas/archive/shop/
done
"""
"""Script in place of Starlake: a load takes its files, runs as long as configured, and writes the rows to a file."""

_SOURCE = """
import json
import os
from pathlib import Path

from dagster import Definitions, GraphDefinition, JobDefinition, in_process_executor

from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from ai.starlake.dagster.shell import StarlakeDagsterShellJob

ROOT = Path(os.environ["TEST_ROOT"])


def variables(folder):
    return {"sl_env_var": json.dumps({"SL_ROOT": str(ROOT / folder)})}


shell = StarlakeDagsterShellJob(
    options={**variables("project"), "SL_STARLAKE_PATH": str(ROOT / "starlake"), "duckdb_lock": "off"}
)
embedded = StarlakeDagsterEmbeddedJob(options=variables("shop"))


def jobs(variant):
    sl_job = embedded if variant == "embedded" else shell
    load = sl_job.sl_load(f"load_{variant}", "shop", variant)
    for name, executor in {"default": None, "in_process": in_process_executor}.items():
        graph = GraphDefinition(name=f"{variant}_{name}", node_defs=[load])
        yield JobDefinition(graph_def=graph, executor_def=executor)


VARIANTS = ("plain", "stubborn", "forking", "detached", "flooding", "embedded")
defs = Definitions(jobs=[job for variant in VARIANTS for job in jobs(variant)])
"""


@dataclass
class _Cancellation:
    """One run that is terminated."""

    number: int
    variant: str
    run_id: str
    moment: float
    """Seconds after the command began; or after the launch, below zero."""


class _Runs:
    """Loads under `dagster dev`, and what becomes of their files.

    Args:
        location: The code location.
        server: Its `dagster dev`.
        instance: Its home, as Dagster sees it.
        tally: Receives what is found.
    """

    def __init__(self, location: Location, server: Server, instance: DagsterInstance, tally: Tally) -> None:
        self.location = location
        self.server = server
        self.instance = instance
        self.tally = tally
        self.project = location.root / "project"
        self.shop = _shop(location.root / "shop")

    def deliver(self, variant: str, number: int) -> None:
        """Put a file into the stage area."""
        if variant == _EMBEDDED:
            rows = "".join(f"{number},row {row} of many\n" for row in range(_ROWS))
            self.shop.put(f"{variant}-{number}.csv", f"id,label\n{rows}")
        else:
            (self.folder(variant, "stage") / f"{variant}-{number}.csv").write_text(f"row {number}\n", encoding="utf-8")

    def folder(self, variant: str, area: str) -> Path:
        root = self.shop.root if variant == _EMBEDDED else self.project
        made = root / "datasets" / area / "shop"
        made.mkdir(parents=True, exist_ok=True)
        return made

    def launch(self, number: int, variant: str, choice: random.Random) -> _Cancellation:
        self.deliver(variant, number)
        executor = "default" if choice.random() < 0.2 else "in_process"
        moment = choice.uniform(0, 1) if choice.random() < 0.8 else -choice.uniform(0, 4)
        return _Cancellation(number, variant, str(self.server.launch(f"{variant}_{executor}")), moment)

    def terminate(self, one: _Cancellation) -> None:
        """Terminates a run some time after its command began, or after it was launched."""
        if one.moment >= 0:
            begun = until(lambda: self._is_at_work(one) or self._run(one).is_finished, _PATIENCE, 0.1)
            self.tally.add("terminated while the command ran", bool(begun and not self._run(one).is_finished))
        time.sleep(abs(one.moment))
        try:
            self.server.terminate(one.run_id)
        except AssertionError:
            self.tally.add("runs that were over before")

    def _is_at_work(self, one: _Cancellation) -> bool:
        if one.variant == _EMBEDDED:
            return any(self.folder(one.variant, "ingesting").glob(f"*-{one.number}.csv"))
        return any((self.project / "notes").glob(f"{one.run_id}.*"))

    def _run(self, one: _Cancellation):
        return self.instance.get_run_by_id(one.run_id)

    def check(self, one: _Cancellation) -> None:
        """Check that the run is cancelled, nothing of it runs, and its file is back."""
        what = f"{one.variant} {one.number}"
        until(lambda: self._run(one).is_finished, _PATIENCE, 0.2)
        status = self._run(one).status.value
        over_before = one.variant == _EMBEDDED and status == "SUCCESS"
        self.tally.require(status == "CANCELED" or over_before, RED, f"{what}: the run is {status}")
        gone = until(lambda: not self._left(one), _GONE, 0.5)
        self.tally.require(gone, LEAKED, f"{what}: {self._left(one)}")
        stuck = list(self.folder(one.variant, "ingesting").glob(f"{one.variant}-{one.number}*"))
        self.tally.require(not stuck, LEAKED, f"{what}: {stuck} is in the ingesting area")
        back = list(self.folder(one.variant, "stage").glob(f"{one.variant}-{one.number}*"))
        archived = list(self.folder(one.variant, "archive").glob(f"{one.variant}-{one.number}*"))
        self.tally.require(len(back) + len(archived) == 1 or stuck, LOST, f"{what}: {back}, {archived}")
        if status == "SUCCESS":
            self.tally.require(archived, GREEN, f"{what}: the run succeeded, and the file is not loaded")

    def _left(self, one: _Cancellation) -> list[str]:
        """Return the processes of a run: those of its command, and those that Dagster started for it."""
        mine = {int(pid) for event in self._events(one) for pid in re.findall(r"\(pid: (\d+)\)", event.message or "")}
        return [str(process) for process in psutil.process_iter() if self._is_of(process, one.run_id, mine)]

    def _events(self, one: _Cancellation) -> list[DagsterEvent]:
        return [entry.dagster_event for entry in self.instance.all_logs(one.run_id) if entry.dagster_event]

    @staticmethod
    def _is_of(process: psutil.Process, run_id: str, pids: set[int]) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            ours = process.pid in pids and run_id in " ".join(process.cmdline())
            return ours or process.environ().get("SL_JOB_ID", "").startswith(run_id)
        except psutil.Error:
            return False

    def load(self) -> None:
        """Load each table once more."""
        (self.project / "slow").unlink()
        environment = {**os.environ, "SL_ROOT": str(self.project)}
        for variant in _COMMANDS:
            command = [self.location.root / "starlake", "load", "--domains", "shop", "--tables", variant]
            subprocess.run(command, env=environment, check=True)
        (self.project / "slow").touch()
        failures = self.shop.load().failures
        self.tally.require(not failures, RED, f"the next load fails: {failures}")

    def compare(self, numbers: dict[str, list[int]]) -> None:
        """In the end, the rows of each file are there once."""
        for variant in _COMMANDS:
            rows = self.project / f"rows_{variant}"
            self._compare(variant, Counter(f"row {number}" for number in numbers[variant]), Counter(_lines(rows)))
        wanted = Counter(dict.fromkeys(numbers[_EMBEDDED], _ROWS))
        found = self.shop.rows("SELECT id, count(*) FROM shop.embedded GROUP BY id") if wanted else []
        self._compare(_EMBEDDED, wanted, Counter(dict(found)))

    def _compare(self, variant: str, wanted: Counter, found: Counter) -> None:
        for kind, difference in ((LOST, wanted - found), (DOUBLED, found - wanted)):
            for which, number in difference.items():
                self.tally.defect(kind, f"{variant}: {which}", number)


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []


def _shop(root: Path) -> Shop:
    shop = Shop(root)
    attributes = [{"name": "id", "type": "long"}, {"name": "label", "type": "string"}]
    shop.table(_EMBEDDED, attributes, {"separator": ","})
    return shop


def _run(bench: Bench) -> None:
    choice = random.Random(bench.attempts)
    numbers: dict[str, list[int]] = {variant: [] for variant in _VARIANTS}
    with _started(bench) as runs:
        for batch in bench.batches(len(_VARIANTS)):
            cancelled = [runs.launch(number, _VARIANTS[number % len(_VARIANTS)], choice) for number in batch]
            for one in cancelled:
                runs.terminate(one)
                numbers[one.variant].append(one.number)
            for one in cancelled:
                runs.check(one)
            runs.load()
        runs.compare(numbers)


@contextmanager
def _started(bench: Bench) -> Iterator[_Runs]:
    root = bench.folder / "location"
    root.mkdir()
    project = make_project(root / "project", {"shop": list(_COMMANDS)})
    for area in ("stage", "ingesting", "archive"):
        (project / "datasets" / area / "shop").mkdir(parents=True)
    (project / "notes").mkdir()
    (project / "slow").touch()
    (root / "starlake").write_text(_STARLAKE, encoding="utf-8")
    (root / "starlake").chmod(0o755)
    location = Location.make(root, uuid.uuid4().hex, _SOURCE)
    try:
        with dev_server(location) as server, DagsterInstance.from_config(str(location.home)) as instance:
            yield _Runs(location, server, instance, bench.tally)
    finally:
        location.end_all()


TRIAL = Trial(
    title="Cancelled runs",
    text="""\
Runs under `dagster dev`, six at once, are terminated by GraphQL: four of five up to a second after their command began,
the others up to four seconds after they were launched. The commands: a plain one with a child, one that ignores
SIGTERM, one that forks twice, one whose children have sessions of their own, one that floods both streams, and a load
of 300,000 rows on the embedded engine; a fifth of the runs with Dagster's multiprocess executor. No process may be
left, the run must be cancelled, the file back in the stage area, and after the next load each row there once.""",
    attempts=100,
    few=2,
    seconds=230,
    run=_run,
)
