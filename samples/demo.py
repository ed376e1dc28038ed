"""Runs the sample bakery with real Dagster on a scratch copy, or opens Dagster's UI on it.

`make demo` and `make ui` call this.
"""

from __future__ import annotations

import argparse
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
    from dagster import DagsterEvent, DagsterInstance

SAMPLES = Path(__file__).resolve().parent
DAG_FILE = SAMPLES / "dags" / "starbake.py"
JOB = "starbake"
KPI = "kpis.DailySales"
TAG = "starbake/demo"

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
    """Where the demo works.

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
        """What Dagster prints during the run."""
        return self.folder / "run.log"

    def environment(self) -> dict[str, str]:
        """The environment of Dagster: ours, with this home, and without settings of another Starlake project."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SL_")}
        return {**inherited, "SL_ROOT": str(self.project), "DAGSTER_HOME": str(self.dagster)}

    def prepare(self) -> None:
        """Starts over with the project as it was delivered; earlier runs stay in Dagster's history."""
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(SAMPLES / "starbake", self.project, ignore=shutil.ignore_patterns("datasets", "__pycache__"))
        self.dagster.mkdir(parents=True, exist_ok=True)
        (self.dagster / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")


class Progress:
    """Tells what the steps of a run do, as Dagster records it."""

    def __init__(self, instance: DagsterInstance, console: Console, tag: str) -> None:
        self._instance = instance
        self._console = console
        self._tag = tag
        self._cursor: str | None = None
        self._started: dict[str, float] = {}
        self.run_id: str | None = None

    def look(self) -> None:
        """Tells what has happened since the last look."""
        from dagster import DagsterEventType, RunsFilter

        if self.run_id is None:
            runs = self._instance.get_runs(RunsFilter(tags={TAG: self._tag}))
            self.run_id = runs[0].run_id if runs else None
        if self.run_id is None:
            return
        kinds = {
            DagsterEventType.STEP_START: self._start,
            DagsterEventType.STEP_SUCCESS: self._success,
            DagsterEventType.STEP_SKIPPED: self._skip,
            DagsterEventType.STEP_FAILURE: self._failure,
        }
        news = self._instance.get_records_for_run(self.run_id, cursor=self._cursor, of_type=set(kinds))
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

    def _failure(self, event: DagsterEvent, step: str, _timestamp: float) -> None:
        failure = event.step_failure_data
        self._console.print(f"  [red]failed[/]  {step}")
        if failure.error:
            cause = failure.error.cause or failure.error
            self._console.print(cause.message.strip(), markup=False, highlight=False, style="red")


def execute(home: Home, console: Console) -> str | None:
    """Runs the job in a process of its own, and tells how it gets on.

    Returns:
        The id of the run; None when it failed or did not begin.
    """
    from dagster import DagsterInstance

    tag = uuid.uuid4().hex
    command = [sys.executable, str(SAMPLES / "execute.py"), JOB, "--tag", f"{TAG}={tag}"]
    with home.log.open("w", encoding="utf-8") as log, DagsterInstance.from_config(str(home.dagster)) as instance:
        process = subprocess.Popen(command, env=home.environment(), stdout=log, stderr=subprocess.STDOUT)
        progress = Progress(instance, console, tag)
        try:
            with console.status("Dagster runs the job"):
                while process.poll() is None:
                    progress.look()
                    time.sleep(0.5)
        finally:
            stop(process)
        progress.look()
    return progress.run_id if process.returncode == 0 else None


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a run that is still going on, as Dagster's own interruption does, so that its commands end as well."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tables(connection: duckdb.DuckDBPyConnection) -> Iterator[Table]:
    """What there is to see in the database after the run."""
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


def demo(home: Home, console: Console) -> int:
    """Runs the job on a fresh copy of the sample project and shows what came of it."""
    start = time.monotonic()
    home.prepare()
    console.print(f"Running samples/dags/{DAG_FILE.name} on a fresh copy of samples/starbake", highlight=False)
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
        f"\nThat took {time.monotonic() - start:.0f} s. To see the run, its logs and its assets in Dagster's UI:"
    )
    console.print(f"  make ui\n  http://localhost:3000/runs/{run_id}", highlight=False)
    return 0


def ui(home: Home, port: int) -> int:
    """Opens Dagster's UI on the project of the last demo, or on a fresh copy."""
    if not home.project.exists():
        home.prepare()
    command = [sys.executable, "-m", "dagster", "dev", "-f", str(DAG_FILE), "-p", str(port)]
    for file in ("starbake_load.py", "starbake_transform.py"):
        command += ["-f", str(DAG_FILE.with_name(file))]
    os.execve(sys.executable, command, home.environment())  # signals go straight to Dagster, which ends its children


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".demo"), help="where to work (default .demo)")
    parser.add_argument("--ui", action="store_true", help="open Dagster's UI instead of running the job")
    parser.add_argument("--port", type=int, default=3000, help="the port of the UI (default 3000)")
    given = parser.parse_args()
    home = Home(given.home.resolve())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return ui(home, given.port) if given.ui else demo(home, Console())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
