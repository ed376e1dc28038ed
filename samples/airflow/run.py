"""Loads and transforms the sample bakery on Airflow, in a home of its own, or opens Airflow's UI on it.

`make airflow-demo` calls this. The DAG is that of `dags/starbake.py`; with --generated they are those of `generated/`,
which `starlake-airflow generate` made of the project. Airflow's `dag.test()` runs their tasks one after the other;
with --ui, its scheduler does, on this machine alone.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from loopback import AirflowFolder, running
from rich.console import Console

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parent
sys.path.append(str(SAMPLES))

from demo import tables  # noqa: E402  what `make demo` shows

HOME = ".demo-airflow"
PORT = 8080
DAGS = {"dags": ["starbake"], "generated": ["starbake_load", "starbake_transform"]}
"""The DAGs of each folder, in the order in which they run."""


def prepare(home: Path, kind: str) -> AirflowFolder:
    """Make a home for Airflow, with the sample project as it was delivered.

    Args:
        home: Everything that is written is in it; earlier runs stay in Airflow's history.
        kind: The folder of the DAG files.
    """
    project = home / "starbake"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(SAMPLES / "starbake", project, ignore=shutil.ignore_patterns("datasets", "__pycache__"))
    # how Airflow itself takes a Variable from the environment; a secrets backend would do as well
    variables = {"SL_ROOT": str(project), "AIRFLOW_VAR_BAKERY_DB_PASSWORD": "duckdb-needs-none"}
    made = AirflowFolder(home / "airflow", HERE / kind, variables)
    made.migrate()
    return made


def demo(home: Path, kind: str, console: Console) -> int:
    """Run the DAGs of a folder, and show what came of it."""
    start = time.monotonic()
    airflow = prepare(home, kind)
    for dag_id in DAGS[kind]:
        with console.status(f"Airflow runs the DAG {dag_id}"):
            done = airflow.run("dags", "test", dag_id)
        if done.returncode:
            console.print(f"[red]The run of {dag_id} failed.[/] Its log is {airflow.log}")
            return 1
        console.print(f"  [green]done[/]  {dag_id}")
    import duckdb

    with duckdb.connect(str(home / "starbake" / "datasets" / "duckdb.db"), read_only=True) as connection:
        for table in tables(connection):
            console.print()
            console.print(table)
    console.print(f"\nThat took {time.monotonic() - start:.0f} s. The log is {airflow.log}", soft_wrap=True)
    return 0


def ui(home: Path, kind: str, port: int, console: Console) -> int:
    """Open Airflow's UI, until it is interrupted."""
    airflow = prepare(home, kind)
    with running(airflow, port) as server:
        server.wait_until_ready(len(DAGS[kind]))
        console.print(f"Airflow's UI is on {server.address}: trigger {DAGS[kind][0]} there. Ctrl-C ends it.")
        threading.Event().wait()
    return 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--home", type=Path, default=Path(".demo-airflow"), help="working folder (default .demo-airflow)"
    )
    parser.add_argument("--generated", action="store_true", help="run the generated DAG files")
    parser.add_argument("--ui", action="store_true", help="open Airflow's UI instead of running the DAGs")
    parser.add_argument("--port", type=int, default=PORT, help=f"the port of the UI (default {PORT})")
    given = parser.parse_args()
    home, kind = given.home.resolve(), "generated" if given.generated else "dags"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return ui(home, kind, given.port, Console()) if given.ui else demo(home, kind, Console())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TimeoutError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
