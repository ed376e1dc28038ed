"""Uses of Airflow beyond its public interface behave as this project expects."""

from __future__ import annotations

import select
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.models import Variable
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import CommsDecoder
from airflow.sdk.execution_time.supervisor import set_supervisor_comms
from airflow.utils.session import create_session

from ai.starlake.airflow import _airflow_compat
from tests.airflow.airflow_home import run_dag


def test_the_socket_of_a_task_becomes_readable_when_its_supervisor_is_gone():
    ours, theirs = socket.socketpair()
    with ours, theirs, set_supervisor_comms(CommsDecoder(socket=ours)):
        fd = _airflow_compat.supervisor_socket()
        assert fd == ours.fileno()
        assert select.select([fd], [], [], 0)[0] == []
        theirs.close()
        assert select.select([fd], [], [], 0)[0] == [fd]


def test_without_a_supervisor_in_another_process_there_is_no_socket(supervisor: Any):
    assert task_runner.SUPERVISOR_COMMS is supervisor
    assert _airflow_compat.supervisor_socket() is None
    with set_supervisor_comms(None):
        assert _airflow_compat.supervisor_socket() is None


def test_a_task_is_put_after_others_as_airflow_itself_does():
    def made(order: Any) -> dict[str, tuple[set[str], set[str]]]:
        with DAG("a_dag") as dag:
            tasks = [EmptyOperator(task_id=name) for name in ("one", "two", "three")]
            order(tasks[2], tasks[:2])
        return {task.task_id: (task.upstream_task_ids, task.downstream_task_ids) for task in dag.tasks}

    assert made(_airflow_compat.put_after) == made(lambda task, befores: task.set_upstream(befores))


def test_each_run_of_a_cron_expression_has_its_interval():
    timetable = _airflow_compat.cron_intervals("0 5 * * *", "Europe/Paris")
    assert (timetable.expression, str(timetable.timezone)) == ("0 5 * * *", "Europe/Paris")


def test_runs_of_a_process_have_databases_of_their_own_of_which_one_is_migrated(monkeypatch: Any, tmp_path: Path):
    commands: list[Sequence[str]] = []
    run = subprocess.run

    def noted(command: Sequence[str], **options: Any) -> Any:
        commands.append(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    found = []
    for key in ("one", "two"):
        with _airflow_compat.private_database(str(tmp_path / "dags.py")), create_session() as session:
            session.add(Variable(key=key, val="1"))
            session.flush()
            found.append([each.key for each in session.query(Variable)])
    assert found == [["one"], ["two"]]
    assert len(commands) <= 1  # an earlier test of this process may have run it


def test_the_states_of_all_dag_runs_are_in_the_database():
    with DAG("a_dag", schedule=None) as dag:
        EmptyOperator(task_id="nothing")
    run = run_dag(dag)
    assert list(_airflow_compat.run_states()) == [("a_dag", run.dag_run.run_id, "success")]
