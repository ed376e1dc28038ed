"""Every use of Airflow beyond its public interface; `tests/airflow/test_airflow_compat.py` pins it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def supervisor_socket() -> int | None:
    """Return the socket between the process of a task and its supervisor; None outside of such a process.

    It becomes readable only when the supervisor has ended, as long as the task makes no request.
    """
    from airflow.sdk.execution_time import task_runner

    connection = getattr(getattr(task_runner, "SUPERVISOR_COMMS", None), "socket", None)
    return None if connection is None else int(connection.fileno())


def cron_intervals(cron: str, zone: str) -> Any:
    """Return the timetable whose runs process the time from one tick of a cron expression to the next.

    It is public since Airflow 3.2.
    """
    timetable: Any
    try:
        from airflow.sdk import CronDataIntervalTimetable

        timetable = CronDataIntervalTimetable
    except ImportError:
        from airflow.timetables import interval

        timetable = interval.CronDataIntervalTimetable
    return timetable(cron, timezone=zone)


def put_after(task: BaseOperator, befores: Iterable[BaseOperator]) -> None:
    """Put a task after others of its DAG.

    `set_upstream` does the same, but computes the hash of the DAG for each of them: a third of the time to create 1,000
    tasks.
    """
    for before in befores:
        before.downstream_task_ids.add(task.task_id)
        task.upstream_task_ids.add(before.task_id)


@cache
def _migrated_database() -> bytes:
    """Return an empty database for this version of Airflow and its providers.

    To create it takes seconds, so that runs of one process share it. It is not kept for others: it would have to be
    discarded with each change of Airflow, of a provider with tables of its own, or of the settings.
    """
    with TemporaryDirectory(prefix="starlake-airflow-") as folder:
        file = Path(folder, "airflow.db")
        environment = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{file}"}
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return file.read_bytes()


@contextmanager
def private_database(file: str) -> Iterator[None]:
    """Give this process a temporary database, in which `DAG.test` finds one DAG file.

    Args:
        file: The DAG file.
    """
    from airflow import settings

    with TemporaryDirectory(prefix="starlake-airflow-") as folder:
        bundle = {
            "name": "dags-folder",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": file},
        }
        variables = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            Path(folder, "airflow.db").write_bytes(_migrated_database())
            settings.configure_vars()
            settings.reconfigure_orm()
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
            settings.configure_vars()
            settings.reconfigure_orm()


def returned(ti: Any) -> Any:
    """Return the return value of the task of a task instance, from the database."""
    return ti.xcom_pull(task_ids=ti.task_id)


def run_states() -> Iterator[tuple[str, str, str]]:
    """Yield the DAG, the id and the state of each DAG run in Airflow's database.

    The public API for all DAGs needs a web server and a token; the command line lists one DAG in seconds.
    """
    from airflow.models import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        for dag_id, run_id, state in session.query(DagRun.dag_id, DagRun.run_id, DagRun.state):
            yield str(dag_id), str(run_id), str(getattr(state, "value", state))
