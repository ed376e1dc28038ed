"""The link from a task to the log of its command: what is stored, and what the server needs to show it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException

from ai.starlake.airflow.log_link import StarlakeLogLink
from ai.starlake.airflow.operators.starlake_operator import StarlakeOperator
from ai.starlake.common import StarlakeError
from ai.starlake.executor.protocol import CommandFailedError, Execution, StarlakeResult
from ai.starlake.job import JobOptions, StarlakeCommand
from ai.starlake.orchestration.command_runs.command_runner import CommandRunner
from tests.airflow.airflow_home import context_of

LOG = "https://logs.example.org/jobs/job-1"

SERVER = """
import json, sys

class NoneOfOurs:
    def find_spec(self, name, path=None, target=None):
        if name == "ai" or name.startswith("ai."):
            raise AssertionError(f"the server imports {name}")

sys.meta_path.insert(0, NoneOfOurs())
from airflow.serialization.serialized_objects import DagSerialization

dag = DagSerialization.from_dict(json.loads(sys.stdin.read()))
print([(link.name, link.xcom_key) for link in dag.get_task("load").operator_extra_links])
"""


class Elsewhere:
    """An executor of one's own, which says where the log of its command is."""

    def __init__(self, outcome: StarlakeResult | StarlakeError) -> None:
        self.outcome = outcome

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        if isinstance(self.outcome, StarlakeError):
            raise self.outcome
        return self.outcome


def _ran(outcome: StarlakeResult | StarlakeError) -> Any:
    """Return the operator that ran, as Airflow asks it for its links."""
    dag = _dag(outcome)
    context = context_of(dag, "load")
    context["task"] = dag.get_task("load").prepare_for_execution()
    try:
        context["task"].execute(context)
    except AirflowException:
        assert isinstance(outcome, StarlakeError)
    return context["task"]


def _dag(outcome: StarlakeResult | StarlakeError) -> DAG:
    with DAG("loads", schedule=None) as dag:
        runner = CommandRunner(JobOptions(), lambda: Elsewhere(outcome))
        StarlakeOperator(task_id="load", runner=runner, command=StarlakeCommand("load"), name="sales.orders")
    return dag


def _links(operator: Any) -> list[str]:
    return [link.get_link(operator, ti_key=None) for link in operator.operator_extra_links]


def test_the_log_of_a_remote_command_opens_from_its_task() -> None:
    assert _links(_ran(StarlakeResult(1, log_url=LOG))) == [LOG]


def test_the_log_of_a_command_that_failed_opens_too() -> None:
    assert _links(_ran(CommandFailedError("starlake load", 1, log_url=LOG))) == [LOG]


@pytest.mark.parametrize("outcome", [StarlakeResult(1), CommandFailedError("starlake load", 1), StarlakeError("no")])
def test_a_command_that_ran_here_stores_nothing(outcome: StarlakeResult | StarlakeError) -> None:
    assert _links(_ran(outcome)) == []


def test_a_task_that_ends_before_its_command_ran_has_no_address() -> None:
    (task,) = _dag(StarlakeResult(1)).tasks
    assert _links(task) == [""]


def test_the_link_has_one_key_in_all_versions() -> None:
    """The key is in the database of Airflow: of another one, links of earlier runs would be lost."""
    assert (StarlakeLogLink().name, StarlakeLogLink().xcom_key) == ("Starlake log", "_link_StarlakeLogLink")


def test_the_server_needs_none_of_our_packages(tmp_path: Path) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    written = json.dumps(DagSerialization.to_dict(_dag(StarlakeResult(1))))
    server = subprocess.run(
        [sys.executable, "-c", SERVER], input=written, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert server.stdout.splitlines()[-1:] == ["[('Starlake log', '_link_StarlakeLogLink')]"], server.stderr
