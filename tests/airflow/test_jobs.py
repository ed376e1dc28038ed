"""Jobs as hand-written DAG files use them: operators, their arguments, what is known of them before they run."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization

from ai.starlake.airflow.bash import StarlakeAirflowBashJob
from ai.starlake.airflow.embedded import StarlakeAirflowEmbeddedJob
from ai.starlake.airflow.operators.starlake_operator import StarlakeOperator
from ai.starlake.common import StarlakeError
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.job import StarlakeExecutionEnvironment, StarlakeJobFactory, StarlakeOrchestrator, StarlakeSparkConfig
from tests.airflow.airflow_home import context_of
from tests.fakes.fake_cli import FakeStarlake


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("a_dag", schedule=None) as made:
        yield made


def job(**options: Any) -> StarlakeAirflowBashJob:
    return StarlakeAirflowBashJob("a_dag.py", "a_dag", options=options)


class TestFactory:
    @pytest.mark.parametrize(
        ("environment", "name"),
        [
            (StarlakeExecutionEnvironment.SHELL, "StarlakeAirflowBashJob"),
            (StarlakeExecutionEnvironment.EMBEDDED, "StarlakeAirflowEmbeddedJob"),
            (StarlakeExecutionEnvironment.DATAPROC, "StarlakeAirflowDataprocJob"),
            (StarlakeExecutionEnvironment.CLOUD_RUN, "StarlakeAirflowCloudRunJob"),
        ],
    )
    def test_it_finds_the_class_of_an_environment(self, environment, name):
        made = StarlakeJobFactory.job_class(StarlakeOrchestrator.AIRFLOW.value, environment.value)
        assert made.__name__ == name

    def test_what_there_is_not_is_said_with_what_there_is(self):
        with pytest.raises(StarlakeError) as caught:
            StarlakeJobFactory.create_job(
                "f.py", "f", StarlakeOrchestrator.AIRFLOW, StarlakeExecutionEnvironment.FARGATE
            )
        assert "does not run Starlake on fargate with airflow" in str(caught.value)
        assert "cloud_run, dataproc, embedded, shell" in str(caught.value)

    def test_a_file_gets_a_job_with_its_options(self):
        made = StarlakeJobFactory.create_job(
            filename="f.py",
            module_name="f",
            orchestrator=StarlakeOrchestrator.AIRFLOW,
            execution_environment=StarlakeExecutionEnvironment.SHELL,
            options={"default_pool": "loads", "SL_STARLAKE_PATH": "/opt/starlake"},
        )
        assert isinstance(made, StarlakeAirflowBashJob)
        assert (made.pool, made.settings.SL_STARLAKE_PATH) == ("loads", "/opt/starlake")
        assert made.sl_orchestrator() is StarlakeOrchestrator.AIRFLOW


class TestCommands:
    def test_each_method_makes_an_operator_of_its_command(self, dag):
        made = job()
        assert list(made.sl_import(None, "sales", {"b", "a"}).command) == [
            "stage",
            "--domains",
            "sales",
            "--tables",
            "a,b",
        ]
        assert list(made.sl_load(None, "sales", "orders").command) == [
            "load",
            "--domains",
            "sales",
            "--tables",
            "orders",
        ]
        assert list(made.sl_transform("t", "kpi.top", {"x": "1"}).command) == [
            "transform",
            "--name",
            "kpi.top",
            "--options",
            "x=1",
        ]
        assert list(made.sl_job("j", ["compact", "--table", "a"]).command) == ["compact", "--table", "a"]
        assert sorted(dag.task_dict) == ["j", "sales_import", "sales_orders_load", "t"]
        assert all(isinstance(task, StarlakeOperator) for task in dag.tasks)

    def test_an_id_that_airflow_does_not_accept_is_made_valid(self, dag):
        assert job().sl_load(None, "my sales", "ordé$").task_id == "my_sales_ord___load"

    def test_what_is_made_is_an_outlet_and_all_of_it_is_known(self, dag):
        made = job()
        load = made.sl_load(None, "sales", "Orders")
        own = made.sl_transform(None, "kpi.top", dataset=StarlakeDataset("kpi.first"), outlets=[Asset("more")])
        named = made.sl_job("j", ["compact"], dataset="sales.compacted")
        assert [asset.name for asset in load.outlets] == ["sales_orders"]
        assert load.outlets[0].uri == "sales_orders"
        assert [asset.name for asset in own.outlets] == ["kpi_first", "more"]
        assert [asset.name for asset in named.outlets] == ["sales_compacted"]
        assert [asset.name for asset in made.outlets] == ["sales_orders", "kpi_first", "more", "sales_compacted"]
        assert made.sl_import(None, "sales").outlets == []

    def test_a_spark_configuration_and_a_compute_profile_are_handed_on(self, dag):
        made = job(compute={"large": {"duckdb": {"threads": 2}}})
        config = StarlakeSparkConfig(options={"spark_executor_memory": "2g"})
        task = made.sl_load(None, "sales", "orders", config, compute="large", cron="0 2 * * *")
        assert task.spark_config is config
        assert task.command.compute.name == "large"
        with pytest.raises(StarlakeError, match="lrge"):
            made.sl_load("other", "sales", "orders", compute="lrge")


class TestArguments:
    def test_those_of_airflow_pass(self, dag):
        task = job(default_pool="loads").sl_load(
            None, "sales", "orders", retries=4, retry_delay=30, execution_timeout=timedelta(hours=1),
            trigger_rule="all_done", queue="big", priority_weight=7, doc_md="# text",
        )  # fmt: skip
        assert (task.retries, task.retry_delay, task.execution_timeout) == (
            4,
            timedelta(seconds=30),
            timedelta(hours=1),
        )
        assert (task.trigger_rule, task.queue, task.priority_weight, task.pool) == ("all_done", "big", 7, "loads")
        assert job().sl_load("other", "sales", "orders", pool="own").pool == "own"

    def test_callbacks_pass(self, dag):
        task = job().dummy_op("d", on_failure_callback=print)
        assert task.on_failure_callback == [print] or task.on_failure_callback is print

    @pytest.mark.parametrize("method", ["dummy_op", "end_op", "start_op"])
    def test_a_misspelt_one_is_named_with_the_right_one(self, dag, method):
        with pytest.raises(StarlakeError, match=r"task t: retry_dely is not a known argument(.|\n)*retry_delay"):
            getattr(job(), method)("t", retry_dely=3)

    def test_a_misspelt_one_of_a_command_is_too(self, dag):
        with pytest.raises(StarlakeError, match=r"comput is not a known argument(.|\n)*did you mean compute"):
            job().sl_load(None, "sales", "orders", comput="large")

    def test_a_duration_has_to_be_one(self, dag):
        with pytest.raises(StarlakeError, match="retry_delay is not a number of seconds"):
            job().sl_load(None, "sales", "orders", retry_delay="soon")

    def test_retries_are_those_of_the_dag_unless_somebody_says_otherwise(self):
        with DAG("other", schedule=None, default_args={"retries": 6}):
            assert job().sl_load(None, "sales", "orders").retries == 6


class TestOrder:
    def test_a_dag_is_put_together_as_usual(self, dag):
        made = job()
        start, end = made.start_op(), made.end_op()
        assert made.pre_tasks() is None
        assert made.post_tasks() is None
        start >> [made.sl_load(None, "sales", table) for table in ("a", "b")] >> end
        assert end.upstream_task_ids == {"sales_a_load", "sales_b_load"}
        assert end.trigger_rule == "none_failed"

    def test_skip_or_start_is_named_after_its_check(self, dag):
        check = job().dummy_op("check_sales")
        made = job().skip_or_start_op(None, check)
        assert (made.task_id, made.check_id) == ("validating_check_sales", "check_sales")
        assert job().sl_pre_load("sales", {"a"}, "none") is None

    @pytest.mark.parametrize("found", [True, False, None])
    def test_skip_or_start_skips_only_what_a_check_has_decided_on(self, found, dag, supervisor):
        """A check that failed has no XCom: were that a skip, a trigger rule such as all_done made the run a success."""
        made = job().skip_or_start_op(None, job().sl_pre_load("sales", {"a"}, "imported"), trigger_rule="all_done")
        if found is not None:
            supervisor.xcoms[made.check_id, "return_value"] = found
        error = {True: None, False: AirflowSkipException, None: AirflowFailException}[found]
        with pytest.raises(error, match=made.check_id) if error else nullcontext():
            made.execute(context_of(dag, made.task_id))

    def test_a_check_always_tells_its_decision(self, dag):
        """Else skip_or_start would not know it where the DAG has do_xcom_push=False among its defaults."""
        assert job().sl_pre_load("sales", {"a"}, "imported", do_xcom_push=False).do_xcom_push


class TestBeforeItRuns:
    def test_a_dag_says_the_same_each_time(self):
        def text() -> str:
            with DAG("same", schedule=None, default_args=job().default_dag_args()) as made:
                own = job(sl_env_var={"DB_PASSWORD": "hunter2"})
                own.start_op() >> own.sl_load(None, "sales", "orders") >> own.end_op(outlets=[Asset("same")])
            return str(DagSerialization.to_dict(made))

        assert text() == text()
        assert "hunter2" not in text()

    def test_a_copy_of_a_task_has_the_same_job(self, dag):
        made = job(sl_env_var={"A": "b"})
        task = made.sl_load(None, "sales", "orders")
        copied: Any = copy.deepcopy(task)
        assert copied.runner.executor() is made.executor()

    def test_importing_an_executor_imports_no_other_one(self):
        code = (
            "import sys, airflow.sdk\n"
            "before = set(sys.modules)\n"
            "import ai.starlake.airflow.bash\n"
            "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
            "ours = {name.split('.')[3] for name in sys.modules if name.startswith('ai.starlake.airflow.')}\n"
            "assert not new & {'dagster', 'duckdb', 'google', 'sqlglot', 'sqlalchemy', 'fsspec', 'upath'}, new\n"
            "assert not ours & {'embedded', 'gcp', 'operators', 'task_runs', 'cli'}, ours\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr


class TestARun:
    def test_a_command_gets_the_environment_of_the_worker_and_its_own(
        self, fake: FakeStarlake, dag, tmp_path, supervisor
    ):
        """The peer's gets `sl_env_var` and three names: no PATH, no HOME, no JAVA_HOME."""
        fake = FakeStarlake(tmp_path / "own", record=["PATH", "HOME", "DB_URL", "SL_ROOT"])
        url = "jdbc:x;a=b,c=d"
        made = job(SL_STARLAKE_PATH=str(fake.path), sl_env_var={"SL_ROOT": str(tmp_path), "DB_URL": url})
        task = made.sl_transform("t", "kpi.top", {"limit": "a=b"})
        task.execute(context_of(dag, "t"))
        (call,) = fake.calls()
        assert call.environment["PATH"] == os.environ["PATH"]
        assert call.environment["HOME"] == os.environ["HOME"]
        assert call.environment["DB_URL"] == url
        assert call.options["limit"] == "a=b"
        assert not {"sl_options_applied", "DB_URL", "SL_ROOT"} & set(call.options)

    def test_the_embedded_engine_is_an_executor_like_any_other(self, dag):
        made = StarlakeAirflowEmbeddedJob(options={"sl_env_var": {"SL_ROOT": "/p"}})
        assert type(made.executor()).__name__ == "EmbeddedExecutor"
        assert isinstance(made.sl_load(None, "sales", "orders"), BaseOperator)
