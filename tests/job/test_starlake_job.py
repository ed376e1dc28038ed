"""The abstract factory, by a factory whose nodes are the commands themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.job import IStarlakeJob, StarlakeCommand, StarlakePreLoadStrategy, StarlakeSparkConfig

Node = dict[str, Any]


class ListingJob(IStarlakeJob[Node]):
    """Lists what it was asked for."""

    def sl_job(self, task_id, arguments: Sequence[str], spark_config=None, *, dataset=None, **kwargs) -> Node:
        return {"id": task_id, "argv": list(arguments), "spark": spark_config, "dataset": dataset, **kwargs}

    def dummy_op(self, task_id, **kwargs) -> Node:
        return {"id": task_id, **kwargs}

    def _pre_load(self, domain, tables, strategy, **kwargs) -> Node:
        return {"domain": domain, "tables": tables, "strategy": strategy, **kwargs}


@pytest.fixture
def job() -> ListingJob:
    return ListingJob()


def test_default_task_ids(job: ListingJob) -> None:
    assert job.sl_import(None, "sales")["id"] == "sales_import"
    assert job.sl_load(None, "sales", "orders")["id"] == "sales_orders_load"
    assert job.sl_transform(None, "kpi.orders")["id"] == "kpi.orders"


def test_given_task_ids(job: ListingJob) -> None:
    assert job.sl_import("a", "sales")["id"] == "a"
    assert job.sl_load("b", "sales", "orders")["id"] == "b"
    assert job.sl_transform("c", "kpi.orders")["id"] == "c"


@pytest.mark.parametrize(
    ("version", "argv"),
    [
        (None, ["stage", "--domains", "sales", "--tables", "a,b"]),
        ("1.2.0", ["stage", "--domains", "sales", "--tables", "a,b"]),
        ("1.1.3", ["import", "--include", "sales"]),
    ],
)
def test_the_command_of_an_import(version: str | None, argv: list[str]) -> None:
    job = ListingJob(options={"starlake_version": version})
    assert job.sl_import(None, "sales", ["a", "b"])["argv"] == argv


def test_the_commands_of_loads_and_transforms(job: ListingJob) -> None:
    assert job.sl_load(None, "sales", "orders")["argv"] == ["load", "--domains", "sales", "--tables", "orders"]
    assert job.sl_transform(None, "kpi.orders")["argv"] == ["transform", "--name", "kpi.orders"]


@pytest.mark.parametrize("options", ["filter=a=b,limit=1", {"filter": "a=b", "limit": 1}])
def test_the_options_of_a_transform(job: ListingJob, options: Any) -> None:
    argv = job.sl_transform(None, "kpi.orders", options)["argv"]
    assert argv[-2:] == ["--options", "filter=a=b,limit=1"]


def test_an_option_of_a_transform_that_cannot_be_passed_is_refused(job: ListingJob) -> None:
    with pytest.raises(StarlakeError, match="cannot be passed"):
        job.sl_transform(None, "kpi.orders", {"filter": "a in (1,2)"})
    with pytest.raises(StarlakeError, match="name=value"):
        job.sl_transform(None, "kpi.orders", "filter=a in (1,2)")


def test_what_loads_and_transforms_produce(job: ListingJob) -> None:
    assert job.sl_load(None, "sales", "orders")["dataset"] == StarlakeDataset("sales.orders")
    assert job.sl_transform(None, "kpi.orders")["dataset"] == StarlakeDataset("kpi.orders")
    assert job.sl_load(None, "sales", "orders", dataset="x.y")["dataset"] == "x.y"
    assert job.sl_import(None, "sales")["dataset"] is None


def test_what_sl_job_takes_is_handed_on(job: ListingJob) -> None:
    spark = StarlakeSparkConfig()
    assert job.sl_load(None, "a", "b", spark, tags={"x": "y"})["tags"] == {"x": "y"}
    assert job.sl_load(None, "a", "b", spark)["spark"] is spark
    assert job.sl_transform(None, "a.b", spark_config=spark, retries=3)["retries"] == 3
    assert job.sl_import(None, "a", retries=3)["retries"] == 3


@pytest.mark.parametrize("name", ["", "  ", None])
def test_a_missing_name_is_an_error_that_says_which(job: ListingJob, name: Any) -> None:
    with pytest.raises(StarlakeError, match=r"^domain"):
        job.sl_load(None, name, "orders")
    with pytest.raises(StarlakeError, match=r"^table"):
        job.sl_load(None, "sales", name)
    with pytest.raises(StarlakeError, match=r"^transform_name"):
        job.sl_transform(None, name)
    with pytest.raises(StarlakeError, match=r"^domain"):
        job.sl_import(None, name)
    with pytest.raises(StarlakeError, match=r"^domain"):
        job.sl_pre_load(name, pre_load_strategy="ack")


class TestPreLoad:
    def test_the_strategy_none_decides_nothing(self, job: ListingJob) -> None:
        assert job.sl_pre_load("sales") is None
        assert ListingJob("ack").sl_pre_load("sales", pre_load_strategy="none") is None

    @pytest.mark.parametrize("strategy", ["ack", "ACK", StarlakePreLoadStrategy.ACK])
    def test_the_strategy_of_the_job_counts_unless_one_is_given(self, strategy: Any) -> None:
        job = ListingJob(strategy, {"pre_load_strategy": "pending"})
        assert job.pre_load_strategy is StarlakePreLoadStrategy.ACK
        assert job.sl_pre_load("sales")["strategy"] is StarlakePreLoadStrategy.ACK
        assert job.sl_pre_load("sales", pre_load_strategy="imported")["strategy"] is StarlakePreLoadStrategy.IMPORTED

    def test_the_option_counts_where_no_argument_is_given(self) -> None:
        assert ListingJob(options={"pre_load_strategy": "pending"}).pre_load_strategy is StarlakePreLoadStrategy.PENDING

    @pytest.mark.parametrize(
        ("tables", "names"),
        [((), ()), ("b, a", ("b", "a")), (["b", "a"], ("b", "a")), ({"b", "a", "c"}, ("a", "b", "c"))],
    )
    def test_tables_come_in_a_settled_order(self, job: ListingJob, tables: Any, names: tuple[str, ...]) -> None:
        assert job.sl_pre_load("sales", tables, "pending")["tables"] == names


def test_further_keyword_arguments_are_options_that_count_more() -> None:
    job = ListingJob(options={"retries": 1, "retry_delay": 5}, retries=2)
    assert (job.settings.retries, job.settings.retry_delay) == (2, 5)


@pytest.mark.parametrize("options", ["retries=2", [("retries", 2)], {1: 2}])
def test_options_that_are_not_a_mapping_of_names_are_refused(options: Any) -> None:
    with pytest.raises(StarlakeError, match=r'does not map names to values(.|\n)*options=\{"retries": 2\}'):
        ListingJob(options=options)


def test_the_options_of_the_caller_are_neither_changed_nor_shared() -> None:
    options = {"retries": 1}
    job = ListingJob("ack", options)
    options["retries"] = 5
    assert options == {"retries": 5}
    assert job.options["retries"] == 1
    with pytest.raises(TypeError):
        job.options["retries"] = 2  # type: ignore[index]


def test_where_there_is_nothing_to_set_up_there_are_no_such_tasks(job: ListingJob) -> None:
    assert job.pre_tasks() is None
    assert job.post_tasks(ins={"start": None}) is None


class TestSparkConfig:
    def test_defaults(self, job: ListingJob) -> None:
        assert job.get_spark_config().__config__() == {
            "spark.executor.memory": "11g",
            "spark.executor.cores": "4",
            "spark.executor.instances": "1",
        }

    def test_options_and_properties(self) -> None:
        job = ListingJob(
            options={"spark_executor_memory": "2g", "spark_executor_cores": 8, "spark_executor_instances": 3}
        )
        assert job.get_spark_config("x", **{"spark.driver.memory": "4g", "spark.x": 5}).__config__() == {
            "spark.executor.memory": "2g",
            "spark.executor.cores": "8",
            "spark.executor.instances": "3",
            "spark.driver.memory": "4g",
            "spark.x": "5",
        }

    def test_arguments_count_more_than_options(self) -> None:
        config = StarlakeSparkConfig("1g", 1, 2, options={"spark_executor_memory": "2g", "spark_executor_cores": 8})
        assert (config.memory, config.cores, config.instances) == ("1g", 1, 2)

    def test_configurations_are_values(self) -> None:
        assert StarlakeSparkConfig("1g") == StarlakeSparkConfig("1g")
        assert hash(StarlakeSparkConfig("1g")) == hash(StarlakeSparkConfig("1g"))
        assert StarlakeSparkConfig("1g") != StarlakeSparkConfig("2g")

    def test_the_hook_of_the_calling_module_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[Any, dict[str, Any]]] = []

        def get_spark_config(config_name, **properties):
            asked.append((config_name, properties))
            return StarlakeSparkConfig("9g")

        module = ModuleType("generated_dag_file")
        monkeypatch.setitem(sys.modules, "generated_dag_file", module)
        job = ListingJob(filename="generated_dag_file.py", module_name="generated_dag_file")
        assert job.get_spark_config("kpi.orders").memory == "11g"
        module.get_spark_config = get_spark_config  # type: ignore[attr-defined]
        assert job.get_spark_config("kpi.orders", **{"spark.x": "y"}).memory == "9g"
        assert asked == [("kpi.orders", {"spark.x": "y"})]


def test_commands_are_the_same_in_every_process() -> None:
    program = """
from ai.starlake.job import IStarlakeJob
class Job(IStarlakeJob):
    dummy_op = _pre_load = None
    def sl_job(self, task_id, arguments, *args, **kwargs):
        print(*arguments)
Job().sl_import(None, "d", {"orders", "customers", "products", "stores"})
"""
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert texts == {"stage --domains d --tables customers,orders,products,stores\n"}


def test_a_list_of_commands_is_what_sl_job_receives(job: ListingJob) -> None:
    received: list[Any] = []

    class Spying(ListingJob):
        def sl_job(self, task_id, arguments, spark_config=None, **kwargs):
            received.append(arguments)
            return super().sl_job(task_id, arguments, spark_config, **kwargs)

    spying = Spying()
    spying.sl_load(None, "a", "b")
    spying.sl_transform(None, "a.b")
    spying.sl_import(None, "a")
    assert [type(command) for command in received] == [StarlakeCommand] * 3
    assert [command.verb for command in received] == ["load", "transform", "stage"]
