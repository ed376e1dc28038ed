"""An Airflow of the tests' own: its home, its database, DAG files read and run, and the context of one task.

Import this module before `airflow`: it sets the environment that Airflow reads once, when it is imported. `conftest.py`
does so for all tests of this folder. Every process has a home of its own, so xdist's workers never meet.

From the cheapest to the dearest:

* `dag_bag(file_or_folder)` parses DAG files as Airflow's DAG processor does, without a database;
* `context_of(dag, task_id, ...)` is what Airflow hands to `operator.execute`, without a database;
* `run_dag(dag_or_file, ...)` is `dag.test()` in a fresh database: about 6 s the first time in a process, for what
  Airflow imports, then some 0.1 s a task. Share one run between tests by a fixture of the module's scope.

A DAG file that a test parses is copied nowhere: `run_dag(file)` makes a DAG folder with that file alone.
"""

from __future__ import annotations

import atexit
import fcntl
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

_CACHE = Path(__file__).parents[2] / ".pytest_cache" / "airflow"
_numbers = itertools.count(1)


def _environment(home: Path) -> dict[str, str]:
    """Return the settings of an Airflow that knows nothing of the caller's: no example, no question to the network."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_COLOR": "1",
    }


def _prepare() -> Path:
    """Make the home of this process, and lead Airflow to it; what the caller's shell says is dropped."""
    if "airflow" in sys.modules:
        raise RuntimeError("airflow is imported already: import tests.airflow.airflow_home first")
    home = Path(tempfile.mkdtemp(prefix="starlake-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "dags").mkdir()
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "SL_", "GCP_", "GOOGLE_"))]:
        del os.environ[name]
    os.environ.update(_environment(home))
    return home


HOME = _prepare()
"""AIRFLOW_HOME of this process; removed when it ends."""


@lru_cache
def migrated_database() -> Path:
    """Return a migrated, empty database: made once for each version of Airflow and checkout, 7 s; copy it.

    Returns:
        The file, to be read only.
    """
    _CACHE.mkdir(parents=True, exist_ok=True)
    database = _CACHE / f"airflow-{version('apache-airflow-core')}.db"
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            with tempfile.TemporaryDirectory(prefix="starlake-airflow-") as folder:
                environment = {**os.environ, **_environment(Path(folder))}
                command = [sys.executable, "-m", "airflow", "db", "migrate"]
                subprocess.run(command, env=environment, check=True, capture_output=True)
                half = database.with_suffix(".half")
                shutil.copy(Path(folder) / "airflow.db", half)
                half.replace(database)
    return database


def fresh_database(dags: Path | None = None) -> Path:
    """Give this process, and the processes that it starts from now on, an empty database.

    Args:
        dags: The DAG folder; without one an empty one.

    Returns:
        The file of the database. It is kept until the process ends, so that tests can read it later.
    """
    folder = HOME / f"run{next(_numbers)}"
    (folder / "dags").mkdir(parents=True)
    database = folder / "airflow.db"
    shutil.copy(migrated_database(), database)
    bundle = {
        "name": "dags-folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(dags or folder / "dags")},
    }
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(dags or folder / "dags")
    os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps([bundle])
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{database}"
    from airflow import settings

    settings.configure_vars()
    settings.reconfigure_orm()
    return database


def dag_bag(dags: Path | str) -> Any:
    """Parse DAG files as Airflow does; no database is needed.

    Args:
        dags: A file or a folder.

    Returns:
        The `DagBag`: `.dags`, `.import_errors`, `.captured_warnings`. Tests assert that there are no errors.
    """
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(dags))


@dataclass(frozen=True)
class AirflowRun:
    """A DAG run that is over.

    Args:
        state: ``success`` or ``failed``.
        tasks: The state of each task by its id, such as ``success``, ``failed``, ``skipped``, ``upstream_failed``.
        dag_run: Airflow's own object, apart from its database.
        database: The run's database.
    """

    state: str
    tasks: dict[str, str]
    dag_run: Any
    database: Path

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Ask the run's database, for instance ``SELECT * FROM asset_event``."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]

    def asset_events(self) -> dict[str, dict[str, Any]]:
        """Return the extra of each asset event by the name of its asset; of several events of one asset the last."""
        sql = "SELECT name, event.extra FROM asset_event AS event JOIN asset ON asset.id = asset_id ORDER BY event.id"
        return {row["name"]: json.loads(row["extra"]) for row in self.rows(sql)}

    def xcoms(self) -> dict[tuple[str, str], Any]:
        """Return each XCom by task id and key."""
        rows = self.rows("SELECT task_id, key, value FROM xcom")
        return {(row["task_id"], row["key"]): json.loads(row["value"]) for row in rows}


def run_dag(dag: Any, *, dag_id: str | None = None, **arguments: Any) -> AirflowRun:
    """Run a DAG by `dag.test()` in a fresh database.

    Args:
        dag: A DAG, or a DAG file; of a file with several DAGs name one by `dag_id`.
        dag_id: Which DAG of the file.
        **arguments: Those of `dag.test`: `run_after`, `logical_date` (left out it is now; None is a run without one),
            `run_conf`, `variable_file_path` ...

    Returns:
        What became of the run and of its tasks.
    """
    if isinstance(dag, str | Path):
        dags = HOME / f"dags{next(_numbers)}"
        dags.mkdir()
        file = dags / Path(dag).name
        shutil.copy2(dag, file)
        database = fresh_database(dags)
        bag = dag_bag(file)
        if bag.import_errors:
            raise AssertionError("\n".join(bag.import_errors.values()))
        if dag_id is None:
            (dag_id,) = bag.dags
        dag = bag.dags[dag_id]
    else:
        database = fresh_database()
        _write(dag)
    dag_run = dag.test(**arguments)
    tasks = {each.task_id: str(each.state) for each in dag_run.get_task_instances()}
    return AirflowRun(str(dag_run.state), tasks, dag_run, database)


def _write(dag: Any) -> None:
    """Write a DAG that stands in no file of the DAG folder into the database, as the DAG processor does."""
    from airflow import settings
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    session = settings.Session()
    DagBundlesManager().sync_bundles_to_db(session=session)
    session.commit()
    bag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"], collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)


def context_of(
    dag: Any,
    task_id: str,
    *,
    logical_date: datetime | None = None,
    data_interval: tuple[datetime, datetime] | None = None,
    run_after: datetime | None = None,
    conf: Mapping[str, Any] | None = None,
    run_type: str = "manual",
    run_id: str = "a-run",
    try_number: int = 1,
    max_tries: int = 0,
    consumed_asset_events: Sequence[Any] = (),
) -> Any:
    """Make the context that Airflow hands to a task: ``dag.get_task(task_id).execute(context_of(dag, task_id))``.

    It is Airflow's own: outlet events can be recorded, and what it holds (``ds``, ``data_interval_end`` ...) depends
    on the run as it does there. What a task asks of the server (XComs, Variables of the database) needs the fixture
    `supervisor` too.

    Args:
        dag: The DAG.
        task_id: The task.
        logical_date: Left out, it is a run without one.
        data_interval: Left out, both ends are the logical date, as of a manual run.
        run_after: Left out, the logical date, else now.
        conf: `dag_run.conf`.
        run_type: ``manual``, ``scheduled``, ``asset_triggered``, ``backfill``.
        run_id: The run's id.
        try_number: Which attempt this is.
        max_tries: How many more attempts there may be.
        consumed_asset_events: `AssetEventDagRunReference`s of a run that assets have triggered.

    Returns:
        The context.
    """
    import uuid6
    from airflow.sdk.api.datamodels._generated import DagRun, TIRunContext
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    now = datetime.now(timezone.utc)
    start, end = data_interval or (logical_date, logical_date)
    dag_run = DagRun(
        dag_id=dag.dag_id,
        run_id=run_id,
        logical_date=logical_date,
        data_interval_start=start,
        data_interval_end=end,
        run_after=run_after or logical_date or now,
        start_date=now - timedelta(seconds=1),
        end_date=None,
        run_type=run_type,
        state="running",
        conf=dict(conf or {}),
        consumed_asset_events=list(consumed_asset_events),
        partition_key=None,
    )
    instance = RuntimeTaskInstance.model_construct(
        id=uuid6.uuid7(),
        task_id=task_id,
        dag_id=dag.dag_id,
        run_id=run_id,
        try_number=try_number,
        max_tries=max_tries,
        map_index=-1,
        task=dag.get_task(task_id),
        start_date=now,
        _ti_context_from_server=TIRunContext(dag_run=dag_run, max_tries=max_tries),
    )
    return instance.get_template_context()


@dataclass
class RecordedSupervisor:
    """Stands for the process that a task asks for XComs, Variables and Connections: keeps what it is sent.

    Args:
        sent: Each message, such as `SetXCom`.
        xcoms: Values by task id and key; what the task pushes comes in, what it pulls is looked up.
        variables: Values of Variables by key, as if the database of Airflow held them.
        connections: The fields of Connections by id, such as ``{"conn_type": "http", "password": "x"}``.
        task_state: What a task keeps in `context["task_state_store"]` from try to try, by key.
    """

    sent: list[Any] = field(default_factory=list)
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)
    task_state: dict[str, Any] = field(default_factory=dict)

    def send(self, msg: Any) -> Any:
        """Take a message of the task, and answer as the supervisor does."""
        from airflow.sdk.execution_time import comms

        self.sent.append(msg)
        answer = getattr(self, f"_answer_{type(msg).__name__}", None)
        return answer(msg, comms) if answer else comms.OKResponse(ok=True)

    def _answer_SetXCom(self, msg: Any, comms: Any) -> Any:  # noqa: N802 - the name of the message
        self.xcoms[msg.task_id or "", msg.key] = msg.value
        return comms.OKResponse(ok=True)

    def _answer_GetXCom(self, msg: Any, comms: Any) -> Any:  # noqa: N802
        return comms.XComResult(key=msg.key, value=self.xcoms.get((msg.task_id, msg.key)))

    def _answer_GetXComSequenceSlice(self, msg: Any, comms: Any) -> Any:  # noqa: N802
        found = self.xcoms.get((msg.task_id, msg.key))
        return comms.XComSequenceSliceResult(root=[] if found is None else [found])

    def _answer_GetVariable(self, msg: Any, comms: Any) -> Any:  # noqa: N802
        if msg.key in self.variables:
            return comms.VariableResult(key=msg.key, value=self.variables[msg.key])
        return comms.ErrorResponse(error=comms.ErrorType.VARIABLE_NOT_FOUND)

    def _answer_GetConnection(self, msg: Any, comms: Any) -> Any:  # noqa: N802
        if msg.conn_id in self.connections:
            fields = dict.fromkeys(("host", "schema", "login", "password", "port", "extra"))
            return comms.ConnectionResult(conn_id=msg.conn_id, **{**fields, **self.connections[msg.conn_id]})
        return comms.ErrorResponse(error=comms.ErrorType.CONNECTION_NOT_FOUND)

    def _answer_GetTaskStateStore(self, msg: Any, comms: Any) -> Any:  # noqa: N802
        if msg.key in self.task_state:
            return comms.TaskStateStoreResult(value=self.task_state[msg.key])
        return comms.ErrorResponse(error=comms.ErrorType.TASK_STORE_NOT_FOUND)

    def _answer_SetTaskStateStore(self, msg: Any, comms: Any) -> Any:  # noqa: N802
        self.task_state[msg.key] = msg.value
        return comms.OKResponse(ok=True)
