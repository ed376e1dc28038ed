"""The Airflow of the tests: apart from the caller's, and a fresh database for each run."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

from airflow.sdk import DAG, Asset, BaseOperator

from tests.airflow.airflow_home import RecordedSupervisor, context_of, dag_bag, run_dag


class Speak(BaseOperator):
    """Puts a word into an XCom and into the event of its outlet."""

    def execute(self, context):
        context["ti"].xcom_push(key="word", value="hello")
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = {"rows": 3}
        return str(context["dag_run"].conf)


def spoken() -> DAG:
    with DAG("spoken", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        Speak(task_id="speak", outlets=[Asset("a_b")])
    return dag


def test_nothing_of_the_callers_airflow_is_left(airflow_home: Path):
    assert os.environ["AIRFLOW_HOME"] == str(airflow_home)
    others = [name for name, value in os.environ.items() if name.startswith("AIRFLOW_") and str(Path.home()) in value]
    assert others == []


def test_a_dag_runs_in_a_fresh_database():
    when = datetime(2026, 1, 5, tzinfo=timezone.utc)
    for _ in range(2):
        run = run_dag(spoken(), logical_date=when, run_conf={"a": 1})
        assert (run.state, run.tasks) == ("success", {"speak": "success"})
        assert run.asset_events() == {"a_b": {"rows": 3}}
        assert run.xcoms()["speak", "word"] == "hello"
        assert len(run.rows("SELECT * FROM dag_run")) == 1
        assert run.dag_run.logical_date == when


def test_a_file_runs_alone_in_its_dag_folder(tmp_path: Path):
    text = "from airflow.sdk import DAG\nfrom airflow.providers.standard.operators.empty import EmptyOperator\n"
    (tmp_path / "other.py").write_text(text + "with DAG('other'):\n    EmptyOperator(task_id='a')\n")
    file = tmp_path / "one.py"
    file.write_text(text + "with DAG('one'):\n    EmptyOperator(task_id='a') >> EmptyOperator(task_id='b')\n")
    assert sorted(dag_bag(tmp_path).dags) == ["one", "other"]
    run = run_dag(file, logical_date=None)
    assert run.tasks == {"a": "success", "b": "success"}
    assert [row["dag_id"] for row in run.rows("SELECT dag_id FROM dag")] == ["one"]
    assert run.dag_run.logical_date is None


def test_a_task_is_executed_without_a_database(supervisor: RecordedSupervisor):
    dag = spoken()
    context = context_of(dag, "speak", conf={"b": 2})
    assert "ds" not in context
    assert dag.get_task("speak").execute(context) == "{'b': 2}"
    assert supervisor.xcoms == {("speak", "word"): "hello"}
    assert context["outlet_events"][Asset("a_b")].extra == {"rows": 3}
    dated = context_of(dag, "speak", logical_date=datetime(2026, 1, 5, tzinfo=timezone.utc))
    assert dated["ds"] == "2026-01-05"
