"""Defects measured in the existing package for Starlake on Airflow, as far as tasks are concerned; each fails there.

The ids are those of the survey in which they were found. A22, and what a killed load leaves, is in test_ended_tasks.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.fake_cli import FakeCall, FakeStarlake

SECRET = "hunter22-of-nobody"

_DAG = """\
import os
from datetime import datetime, timedelta, timezone
from airflow.sdk import DAG
from ai.starlake.airflow.bash import StarlakeAirflowBashJob

variables = {{
    "SL_ROOT": {root!r},
    "LITERAL_PASSWORD": os.environ["FROM_ELSEWHERE"],
    "SL_DB": "{{{{ var.value.db_password }}}}",
    "OTHER": {{"variable": "plain_name"}},
    "ODD": {odd!r},
}}
options = {{"SL_STARLAKE_PATH": {starlake!r}, "sl_env_var": variables, "retries": "1", "retry_delay": "0"}}
sl_job = StarlakeAirflowBashJob(filename=__file__, module_name=__name__, options=options)
with DAG("sales", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), default_args={{"retries": 1}}):
    again = sl_job.sl_load("load_orders", "sales", "orders", retry_delay=timedelta(0))
    again >> sl_job.sl_load("load_odd", "my domain", {table!r})
"""

_RUN = """\
import json, sqlite3, sys
from pathlib import Path
from tests.airflow.airflow_home import dag_bag, run_dag

run = run_dag(Path(sys.argv[1]), logical_date=None)
with sqlite3.connect(run.database) as connection:
    database = "\\n".join(connection.iterdump())
xcoms = {f"{task}/{key}": value for (task, key), value in run.xcoms().items()}
found = {"state": run.state, "tasks": run.tasks, "xcoms": xcoms, "database": database}
Path(sys.argv[2]).write_text(json.dumps(found))
"""


@dataclass(frozen=True)
class Done:
    """A run that is over.

    Args:
        state: Its state.
        tasks: Those of its tasks.
        xcoms: What tasks pushed.
        database: All that Airflow's database holds.
        output: What the process printed, where Airflow masks nothing by itself.
        calls: The commands.
        root: The folder of the project.
        trap: A file that a shell would make.
        table: The odd name of a table.
        odd: An odd value of a variable.
    """

    state: str
    tasks: dict[str, str]
    xcoms: dict[str, object]
    database: str
    output: str
    calls: list[FakeCall]
    root: Path
    trap: Path
    table: str
    odd: str

    def files(self, area: str) -> list[str]:
        return sorted(file.name for file in (self.root / "datasets" / area / "sales").glob("*.csv"))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One run of a DAG, in a process of its own: its first task fails once."""
    folder = tmp_path_factory.mktemp("peer")
    root, trap = folder / "project", folder / "trap"
    fake = FakeStarlake(folder / "bin", record=["*"])
    fake.behave("load", exit_codes=[1, 0], print_environment=True)
    for name, text in {
        "metadata/application.sl.yml": "version: 1\napplication: {connectionRef: duckdb}\n",
        "metadata/load/sales/_config.sl.yml": "version: 1\nload: {name: sales}\n",
        "metadata/load/sales/orders.sl.yml": (
            "version: 1\ntable: {name: orders, pattern: 'orders-.*', attributes: [{name: id, type: int}]}\n"
        ),
        "datasets/stage/sales/orders-1.csv": "id\n1\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    table = f"x$(touch {trap})`touch {trap}`; touch {trap} # $HOME"
    odd = f"$HOME `id` $(touch {trap}) \"quoted\" 'too' {{x}}"
    dag_file = folder / "sales.py"
    dag_file.write_text(_DAG.format(root=str(root), starlake=str(fake), table=table, odd=odd))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "LEFT_OVER": "from the worker",
        "FROM_ELSEWHERE": f"{SECRET}-literal",
    }
    # Airflow's variables come after its home is made, which drops all that the caller has
    script = f"import os\nimport tests.airflow.airflow_home\nos.environ.update({_variables()!r})\n{_RUN}"
    result = folder / "result.json"
    printed = subprocess.run(
        [sys.executable, "-c", script, str(dag_file), str(result)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert printed.returncode == 0, printed.stdout
    return Done(
        **json.loads(result.read_text()),
        output=printed.stdout,
        calls=fake.calls(),
        root=root,
        trap=trap,
        table=table,
        odd=odd,
    )


def _variables() -> dict[str, str]:
    return {"AIRFLOW_VAR_DB_PASSWORD": f"{SECRET}-var", "AIRFLOW_VAR_PLAIN_NAME": f"{SECRET}-plain"}


def test_a01_no_name_and_no_value_is_interpreted_by_a_shell(done: Done):
    assert (done.state, done.tasks) == ("success", {"load_orders": "success", "load_odd": "success"})
    odd = done.calls[-1]
    assert (odd.value_of("--domains"), odd.value_of("--tables")) == ("my domain", done.table)
    assert odd.environment["ODD"] == done.odd
    assert not done.trap.exists()


def test_a02_a_secret_is_in_the_environment_of_a_command_and_not_on_its_command_line(done: Done):
    for call in done.calls:
        assert call.environment["LITERAL_PASSWORD"] == f"{SECRET}-literal"
        assert call.environment["SL_DB"] == f"{SECRET}-var"
        assert call.environment["OTHER"] == f"{SECRET}-plain"
        assert SECRET not in " ".join(call.argv)


def test_a03_the_output_of_a_command_is_masked_and_in_no_xcom(done: Done):
    assert "SL_DB=" in done.output, "the command prints its environment"
    assert SECRET not in done.output
    pushed = done.xcoms["load_orders/return_value"]
    assert isinstance(pushed, dict)
    assert set(pushed) == {"rows_read", "rows_accepted", "rows_rejected", "duration"}


def test_a04_no_secret_is_in_the_database_of_airflow(done: Done):
    """Neither in the serialized DAG, nor in rendered fields, XComs or events."""
    assert "load_orders" in done.database
    assert SECRET not in done.database


def test_a06_a_retry_loads_the_files_of_the_attempt_that_failed(done: Done):
    assert [call.value_of("--tables") for call in done.calls] == ["orders", "orders", done.table]
    pushed = done.xcoms["load_orders/return_value"]
    assert isinstance(pushed, dict)
    assert (pushed["rows_read"], pushed["rows_accepted"]) == (1, 1)
    assert (done.files("stage"), done.files("ingesting"), done.files("archive")) == ([], [], ["orders-1.csv"])


def test_a07_a_command_has_the_environment_of_its_worker(done: Done):
    (first, *_) = done.calls
    assert first.environment["LEFT_OVER"] == "from the worker"
    assert first.environment["PATH"] == os.environ["PATH"]
    assert first.environment["HOME"] == os.environ["HOME"]
