"""Runs the sample bakery with real Dagster on a scratch copy, or opens Dagster's UI on it.

`make demo` and `make ui` call this.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    import duckdb
    from dagster import DagsterEvent, DagsterInstance, DagsterRun

SAMPLES = Path(__file__).resolve().parent
DEFINITIONS = SAMPLES / "assets" / "definitions.py"
JOB = "starbake"
PARTITION = "2026-11-04"
"""The day of the last delivery: tables that are scheduled daily have a partition for each day."""
KPI = "kpis.DailySales"
# What a step process imports before it begins: Dagster, and what its storage is made of. Each step then forks from
# a server that has imported it, instead of beginning from nothing.
PRELOADED = ["ai.starlake.dagster", "alembic.command", "sqlalchemy", "structlog", "upath", "watchdog.observers"]
GRACE = 30.0
PORT = 3000
RUN_CONFIG = {
    "execution": {"config": {"multiprocess": {"start_method": {"forkserver": {"preload_modules": PRELOADED}}}}}
}
# The run starts without Dagster's daemon, which takes runs from a queue; the UI shows no dialog at its first visit.
DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
run_coordinator:
  module: dagster.core.run_coordinator
  class: DefaultRunCoordinator
"""

COUNTS = """
    SELECT domain || '.' || "schema", count(*), sum(countaccepted), sum(countrejected)
    FROM audit.audit WHERE step = 'LOAD' AND success GROUP BY ALL ORDER BY 1
"""
REJECTS = """
    SELECT domain || '.' || "schema", count(*), regexp_extract(error, '`[^\\n]*')
    FROM audit.rejected GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Home:
    """Folder of the demo.

    Args:
        folder: Made when it is not there; everything that the demo writes is in it.
    """

    folder: Path

    @property
    def project(self) -> Path:
        """The copy of the sample project."""
        return self.folder / "starbake"

    @property
    def dagster(self) -> Path:
        """Dagster's runs, events and logs."""
        return self.folder / "dagster_home"

    @property
    def log(self) -> Path:
        """Output of Dagster during the run."""
        return self.folder / "run.log"

    def environment(self) -> dict[str, str]:
        """Return the environment of Dagster: ours, with this home, and without settings of another Starlake project."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SL_")}
        return {**inherited, "SL_ROOT": str(self.project), "DAGSTER_HOME": str(self.dagster)}

    def prepare(self) -> None:
        """Start over with the project as it was delivered; earlier runs stay in Dagster's history."""
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(SAMPLES / "starbake", self.project, ignore=shutil.ignore_patterns("datasets", "__pycache__"))
        self.dagster.mkdir(parents=True, exist_ok=True)
        (self.dagster / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")


class Progress:
    """Tell what the steps of a run do, as Dagster records it."""

    def __init__(self, instance: DagsterInstance, console: Console, run_id: str) -> None:
        self._instance = instance
        self._console = console
        self._run_id = run_id
        self._cursor: str | None = None
        self._started: dict[str, float] = {}

    def run(self) -> DagsterRun | None:
        """Return the run as it is now; None before it begins."""
        return self._instance.get_run_by_id(self._run_id)

    def look(self) -> None:
        """Tell what has happened since the last look."""
        from dagster import DagsterEventType

        kinds = {
            DagsterEventType.STEP_START: self._start,
            DagsterEventType.STEP_SUCCESS: self._success,
            DagsterEventType.STEP_SKIPPED: self._skip,
            DagsterEventType.STEP_FAILURE: self._failure,
            DagsterEventType.ASSET_CHECK_EVALUATION: self._check,
        }
        news = self._instance.get_records_for_run(self._run_id, cursor=self._cursor, of_type=set(kinds))
        self._cursor = news.cursor
        for record in news.records:
            event = record.event_log_entry.dagster_event
            if event and event.step_key:
                kinds[event.event_type](event, event.step_key, record.timestamp)

    def _start(self, _event: DagsterEvent, step: str, timestamp: float) -> None:
        self._started[step] = timestamp

    def _success(self, _event: DagsterEvent, step: str, timestamp: float) -> None:
        self._console.print(f"  [green]done[/]    {step:45} {timestamp - self._started.get(step, timestamp):5.1f} s")

    def _skip(self, _event: DagsterEvent, step: str, _timestamp: float) -> None:
        self._console.print(f"  [yellow]skipped[/] {step}")

    def _check(self, event: DagsterEvent, _step: str, _timestamp: float) -> None:
        check = event.asset_check_evaluation_data
        if not check.passed:
            found = f"{'/'.join(check.asset_key.path)}: {check.check_name}: {check.description}"
            self._console.print(f"  [yellow]{check.severity.value.lower():7}[/] {escape(found)}", highlight=False)

    def _failure(self, event: DagsterEvent, step: str, _timestamp: float) -> None:
        failure = event.step_failure_data
        self._console.print(f"  [red]failed[/]  {step}")
        if failure.error:
            cause = failure.error.cause or failure.error
            self._console.print(cause.message.strip(), markup=False, highlight=False, style="red")


def execute(home: Home, console: Console) -> str | None:
    """Launch the job from its code location, as Dagster's UI does, and tell how the run gets on.

    Returns:
        The id of the run; None when it failed or did not begin.
    """
    from dagster import DagsterInstance

    run_id = str(uuid.uuid4())
    command = [sys.executable, "-m", "dagster", "job", "launch", "-f", str(DEFINITIONS), "-j", JOB, "--run-id", run_id]
    command += ["--config-json", json.dumps(RUN_CONFIG), "--tags", json.dumps({"dagster/partition": PARTITION})]
    with home.log.open("w", encoding="utf-8") as log, DagsterInstance.from_config(str(home.dagster)) as instance:
        launched = subprocess.Popen(
            command, env=home.environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        progress = Progress(instance, console, run_id)
        try:
            with console.status("Dagster runs the job"):
                while not is_over(progress, launched):
                    progress.look()
                    time.sleep(0.5)
        finally:
            stop(launched, progress)
        progress.look()
        run = progress.run()
    return run_id if run and run.is_success else None


def is_over(progress: Progress, launched: subprocess.Popen[bytes]) -> bool:
    """Return True if the run has ended, or if what was to launch it ended without doing so."""
    gone = launched.poll() is not None  # before the run is read, which may begin in between
    run = progress.run()
    return gone if run is None else run.is_finished


def stop(launched: subprocess.Popen[bytes], progress: Progress) -> None:
    """End running steps like Dagster's own interruption, so that their commands end too.

    The session holds the code server and the process of the run. They end by themselves soon after the run.
    """
    if not is_over(progress, launched):
        signal_group(launched, signal.SIGINT)
    deadline = time.monotonic() + GRACE
    while group_exists(launched) and time.monotonic() < deadline:
        launched.poll()
        time.sleep(0.1)
    signal_group(launched, signal.SIGKILL)
    launched.wait()


def signal_group(launched: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to all processes of a session that are left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(launched.pid, number)


def group_exists(launched: subprocess.Popen[bytes]) -> bool:
    """Return True while processes of a session are left."""
    try:
        os.killpg(launched.pid, 0)
    except ProcessLookupError:
        return False
    return True


def tables(connection: duckdb.DuckDBPyConnection) -> Iterator[Table]:
    """Return the tables of the database after the run."""
    yield _table(connection, COUNTS, "What was loaded", "table", "files", "rows accepted", "rows rejected")
    yield _table(connection, REJECTS, "Why rows were rejected", "table", "rows", "why")
    kpi = connection.sql(f"SELECT * FROM {KPI} ORDER BY 1 LIMIT 5")
    yield _table(connection, kpi.sql_query(), f"First rows of {KPI}", *kpi.columns)


def _table(connection: duckdb.DuckDBPyConnection, query: str, title: str, *columns: str) -> Table:
    rows = connection.sql(query).fetchall()
    table = Table(title=title, title_justify="left")
    for column, value in zip(columns, rows[0] if rows else columns, strict=True):
        table.add_column(column, justify="left" if isinstance(value, str | date) else "right")
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row))
    return table


def demo(home: Home, console: Console, port: int) -> int:
    """Run the job on a fresh copy of the sample project and show what came of it."""
    start = time.monotonic()
    home.prepare()
    console.print("Making all assets of a fresh copy of samples/starbake", highlight=False)
    run_id = execute(home, console)
    if run_id is None:
        console.print(f"[red]The run failed.[/] What Dagster printed is in {home.log}")
        return 1
    import duckdb

    with duckdb.connect(str(home.project / "datasets" / "duckdb.db"), read_only=True) as connection:
        for table in tables(connection):
            console.print()
            console.print(table)
    console.print(
        f"\nThat took {time.monotonic() - start:.0f} s. To see the assets, their lineage and the run in Dagster's UI:"
    )
    console.print(f"  make ui{'' if port == PORT else f' PORT={port}'}", highlight=False)
    console.print(f"  http://localhost:{port}/asset-groups", highlight=False)
    console.print(f"  http://localhost:{port}/runs/{run_id}", highlight=False)
    return 0


def ui(home: Home, port: int) -> int:
    """Open Dagster's UI on the project of the last demo, or on a fresh copy."""
    if not home.project.exists():
        home.prepare()
    command = [sys.executable, "-m", "dagster", "dev", "-f", str(DEFINITIONS), "-p", str(port)]
    print(f"Opening Dagster's UI on http://localhost:{port}", flush=True)
    os.execve(sys.executable, command, home.environment())  # signals go straight to Dagster, which ends its children


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".demo"), help="working folder (default .demo)")
    parser.add_argument("--ui", action="store_true", help="open Dagster's UI instead of running the job")
    parser.add_argument("--port", type=int, default=PORT, help=f"the port of the UI (default {PORT})")
    given = parser.parse_args()
    home = Home(given.home.resolve())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return ui(home, given.port) if given.ui else demo(home, Console(), given.port)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
