"""The operator that runs a command: what Airflow gets to know of it, and when it tries again."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization

from ai.starlake.airflow.bash import StarlakeAirflowBashJob
from ai.starlake.airflow.embedded import StarlakeAirflowEmbeddedJob
from ai.starlake.airflow.task_runs.airflow_step import AirflowStep
from ai.starlake.testing.executor_contract import ContractBench
from tests.airflow.airflow_home import RecordedSupervisor, context_of
from tests.airflow.supervised_task import SupervisedTask
from tests.fakes.fake_cli import FakeStarlake

SECRET = "hunter22-of-nobody"
DAY = datetime(2026, 3, 1, tzinfo=timezone.utc)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "datasets/stage/sales").mkdir(parents=True)
    (folder / "metadata/load/sales").mkdir(parents=True)
    (folder / "metadata/application.sl.yml").write_text("version: 1\napplication: {connectionRef: duckdb}\n")
    (folder / "metadata/load/sales/_config.sl.yml").write_text("version: 1\nload: {name: sales}\n")
    table = "table: {name: orders, pattern: 'orders-.*', attributes: [{name: id, type: int}]}"
    (folder / "metadata/load/sales/orders.sl.yml").write_text(f"version: 1\n{table}\n")
    return folder


@pytest.fixture
def shell(fake: FakeStarlake, root: Path) -> Any:
    def make(env: Any = None, **options: Any) -> StarlakeAirflowBashJob:
        given = {"SL_STARLAKE_PATH": str(fake), "sl_env_var": {"SL_ROOT": str(root), **(env or {})}, **options}
        return StarlakeAirflowBashJob(options=given)

    return make


def put(root: Path, name: str = "orders-1.csv", text: str = "id\n1\n2\n") -> None:
    (root / "datasets/stage/sales" / name).write_text(text)


def load_dag(job: Any, **arguments: Any) -> DAG:
    with DAG("a_dag", schedule=None, start_date=DAY) as dag:
        job.sl_load("load_orders", "sales", "orders", **arguments)
    return dag


def execute(dag: DAG, task_id: str = "load_orders", **run: Any) -> tuple[Any, Any]:
    context = context_of(dag, task_id, **{"logical_date": DAY, **run})
    return context["task"].execute(context), context


def test_the_xcom_is_small_and_the_event_tells_the_rows(shell: Any, fake: FakeStarlake, root: Path, supervisor: Any):
    fake.behave("load", stdout=["a line of output"] * 3)
    put(root)
    pushed, context = execute(load_dag(shell(max_rejected="100%")))
    duration = pushed.pop("duration")
    assert 0 < duration < 60
    assert pushed == {"rows_read": 2, "rows_accepted": 2, "rows_rejected": 0}
    assert context["outlet_events"][Asset("sales_orders")].extra["rows_read"] == 2


def test_a_load_without_files_succeeds_without_an_event(shell: Any, supervisor: Any):
    pushed, context = execute(load_dag(shell()))
    assert pushed is None
    assert context["task"].outlets == []


def test_a_dry_run_only_logs_the_command(shell: Any, fake: FakeStarlake, supervisor: Any, capfd: Any):
    pushed, context = execute(load_dag(shell()), conf={"dry_run": True})
    assert (pushed, fake.calls(), context["task"].outlets) == (None, [], [])
    assert "dry run, nothing is run: starlake load --domains sales --tables orders" in capfd.readouterr().out


def test_each_line_of_a_command_is_in_the_log_once_with_its_level(
    shell: Any, fake: FakeStarlake, root: Path, supervisor: Any, capfd: Any
):
    fake.behave("load", stdout=["one line", "12:00:00 WARN a.b - take care"], stderr=["12:00:01 ERROR a.b - it broke"])
    put(root)
    execute(load_dag(shell()))
    printed = capfd.readouterr()
    lines = [line for line in printed.out.splitlines() if "StarlakeOperator]" in line]
    for text, level in (("one line", "info"), ("take care", "warning"), ("it broke", "error")):
        assert [f"[{level}" in line for line in lines if text in line] == [True], printed
    assert printed.err.count("it broke") == 0


_EMBEDDED = """\
from datetime import datetime, timezone
from airflow.sdk import DAG
from ai.starlake.airflow.embedded import StarlakeAirflowEmbeddedJob

def tell(context):
    print("the callback tells", {secret!r})

variables = {{"SL_ROOT": {root!r}, "OTHER": {{"env": "WHERE_IT_IS"}}}}
sl_job = StarlakeAirflowEmbeddedJob(options={{"sl_env_var": variables}})
with DAG("a_dag", schedule=None, start_date=datetime(2026, 3, 1, tzinfo=timezone.utc)):
    sl_job.sl_load("load_orders", "contract", "orders", on_success_callback=tell)
"""


def test_the_log_of_a_worker_has_each_warning_once_and_no_secret(tmp_path: Path, monkeypatch: Any):
    """The engine logs its warnings by Python's own means, which Airflow writes into the log of the task, too."""
    bench = ContractBench.make(tmp_path)
    bench.put("orders-1.csv", "id\n1\nx\n")
    dag_file = tmp_path / "dags/a_dag.py"
    dag_file.parent.mkdir()
    dag_file.write_text(_EMBEDDED.format(root=str(bench.root), secret=SECRET))
    monkeypatch.setenv("WHERE_IT_IS", SECRET)
    with SupervisedTask(dag_file, tmp_path / "task") as task:
        told = task.wait()
    assert told["state"] == "success", task.log
    (event,) = told["outlet_events"]
    assert (event["extra"]["rows_read"], event["extra"]["rows_rejected"]) == (2, 1)
    assert task.log.count("1 of 2 rows are rejected") == 1
    assert "the callback tells ***" in task.log, "Airflow masks it, too"
    assert SECRET not in task.log


@pytest.mark.parametrize(("exit_code", "kind"), [(1, AirflowException), (127, AirflowFailException)])
def test_airflow_tries_again_only_where_that_may_help(
    shell: Any, fake: FakeStarlake, supervisor: Any, exit_code: int, kind: type[Exception]
):
    fake.behave("load", exit_codes=[exit_code], stderr=["12:00:01 ERROR a.b - the reason"])
    with pytest.raises(AirflowException) as failure:
        execute(load_dag(shell()))
    assert type(failure.value) is kind
    assert "the reason" in str(failure.value)
    assert "To fix it" in str(failure.value)


def test_too_many_rejected_rows_and_mistakes_of_the_run_are_not_tried_again(
    shell: Any, fake: FakeStarlake, root: Path, supervisor: Any
):
    fake.behave("load", counts=(3, 1, 2))
    put(root)
    with pytest.raises(AirflowFailException, match="2 of 3 rows are rejected"):
        execute(load_dag(shell(max_rejected=1)))
    with pytest.raises(AirflowFailException, match="not a date"):
        execute(load_dag(shell()), conf={"logical_datetime": 5})


def test_a_mistake_in_the_project_is_not_tried_again(root: Path, supervisor: Any):
    job = StarlakeAirflowEmbeddedJob(options={"sl_env_var": {"SL_ROOT": str(root)}})
    with DAG("a_dag", schedule=None, start_date=DAY) as dag:
        job.sl_transform("summary", "kpi.not_there")
    with pytest.raises(AirflowFailException, match=r"the task kpi\.not_there does not exist"):
        execute(dag, "summary")


def test_nothing_of_a_command_is_serialised_or_rendered(shell: Any):
    job = shell(env={"SL_TOKEN": SECRET, "DB": {"env": "WHERE_IT_IS"}}, max_rejected=7)
    dag = load_dag(job)
    text = json.dumps(DagSerialization.to_dict(dag))
    assert SECRET not in text
    assert "WHERE_IT_IS" not in text
    assert "--domains" not in text
    operator = dag.get_task("load_orders")
    assert (operator.template_fields, operator.template_ext) == ((), ())


def test_a_dag_is_copied_with_its_runner(shell: Any):
    dag = load_dag(shell())
    copies = [copy.deepcopy(dag), dag.partial_subset("load_orders"), copy.deepcopy(dag.get_task("load_orders")).dag]
    original = dag.get_task("load_orders")
    for copied in copies:
        assert copied.get_task("load_orders").runner is original.runner
        assert copied.get_task("load_orders").command is original.command


def test_resolved_secrets_are_told_to_airflow(
    shell: Any, root: Path, supervisor: RecordedSupervisor, monkeypatch: Any, capfd: Any
):
    supervisor.variables["db_password"] = SECRET
    monkeypatch.setenv("WHERE_IT_IS", f"{SECRET}-too")
    put(root)
    env = {"DB": {"variable": "db_password"}, "OTHER": {"env": "WHERE_IT_IS"}, "API_TOKEN": f"{SECRET}-named"}
    execute(load_dag(shell(env=env)))
    told = {value for message in supervisor.sent for value in _masked(message)}
    assert told == {SECRET, f"{SECRET}-too", f"{SECRET}-named"}
    assert SECRET not in capfd.readouterr().out


def _masked(message: Any) -> list[str]:
    if type(message).__name__ != "MaskSecret":
        return []
    return message.value if isinstance(message.value, list) else [message.value]


def test_what_a_command_may_ask_of_the_run(shell: Any, supervisor: Any):
    dag = load_dag(shell())
    context = context_of(dag, "load_orders", run_id="manual__2026-03-01T00:00:00+00:00", try_number=3)
    step = AirflowStep(context, context["task"].log)
    execution = step.execution()
    assert execution.run_id == "a_dag:manual__2026-03-01T00:00:00+00:00"
    assert (execution.root, execution.step_key) == (execution.run_id, "load_orders")
    assert (execution.attempt, execution.repeated) == (2, True)
    assert execution.is_run_over("a_dag:who-knows") is None, "nobody answers"
    assert execution.is_run_over("a-uuid-of-dagster") is None


def test_a_task_that_is_ended_before_its_command_begins_runs_none(shell: Any, fake: FakeStarlake, supervisor: Any):
    dag = load_dag(shell())
    context = context_of(dag, "load_orders", logical_date=DAY)
    context["task"].on_kill()
    with pytest.raises(AirflowException, match="Airflow ended the task"):
        context["task"].execute(context)
    assert fake.calls() == []
