"""Attributes of a pipeline from its module and its options, and the commands of its tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from dagster import Definitions

from ai.starlake.common import NameCollisionError, StarlakeError
from ai.starlake.job import StarlakeOrchestrator, StarlakePreLoadStrategy
from ai.starlake.orchestration import (
    AbstractTask,
    AbstractTaskGroup,
    OrchestrationFactory,
    StarlakeDependencies,
    StarlakeDependency,
)


def transforms(*names: str, **kwargs: Any) -> StarlakeDependencies:
    return StarlakeDependencies([StarlakeDependency(name, "task", **kwargs) for name in names])


def test_it_has_the_tasks_that_are_made_in_it(make_module: Any, schedule: Callable[..., Any]) -> None:
    given = schedule({"sales": ["orders"]}, "daily")
    with make_module(pre_load_strategy="imported").pipeline(given) as pipeline:
        start = pipeline.start_task()
        with pipeline.orchestration.sl_create_task_group(group_id="sales", pipeline=pipeline) as group:
            check = pipeline.sl_pre_load(domain="sales", tables={"orders"})
            assert pipeline.skip_or_start(task_id="skip", upstream_task=check) is None
            imported = pipeline.sl_import(task_id=None, domain="sales", tables={"orders"})
            loaded = pipeline.sl_load(task_id=None, domain="sales", table="orders")
        pipeline.end_task()
    assert pipeline.tasks_names == [
        "start_daily",
        "sales.check_sales_daily_incoming_files",
        "sales.import_sales_daily",
        "sales.load_sales_orders",
        "end_daily",
    ]
    assert isinstance(start, AbstractTask)
    assert isinstance(group, AbstractTaskGroup)
    assert list(group.walk()) == [check, imported, loaded]
    assert (start.task_id, group.group_id, loaded.full_id) == ("start_daily", "sales", "sales.load_sales_orders")
    assert pipeline.schedule is given
    assert pipeline.pre_load_strategy is StarlakePreLoadStrategy.IMPORTED
    assert (pipeline.pre_tasks(), pipeline.post_tasks()) == (None, None)


def test_there_is_no_check_without_a_strategy(make_module: Any) -> None:
    with make_module().pipeline() as pipeline:
        assert pipeline.sl_pre_load(domain="sales", tables=set()) is None


def test_its_properties_are_those_of_its_module_and_options(make_module: Any, schedule: Callable[..., Any]) -> None:
    variables = {"description": "Sales", "cron": "0 6 * * *", "filtered_datasets": {"a_b"}}
    module = make_module(
        "My_DAG.v2.py", variables, tags="gold sales", cron_period_frequency="month", catchup="true", retries="7"
    )
    with module.pipeline(dependencies=transforms("kpi.margin")) as pipeline:
        pass
    assert (pipeline.pipeline_id, pipeline.dag.name, pipeline.dag.description) == ("my_dag_v2", "my_dag_v2", "Sales")
    assert (pipeline.cron, pipeline.catchup, pipeline.cron_period_frequency) == ("0 6 * * *", True, "month")
    assert pipeline.filtered_datasets == {"a_b"}
    assert (pipeline.run_dependencies_first, pipeline.load_dependencies) == (False, False)
    assert pipeline.get_context_var("retries", "x") == pipeline.options["retries"] == "7"
    assert {"gold", "sales"} <= set(pipeline.dag.tags)
    assert pipeline.caller_globals is variables
    with module.pipeline(schedule({"sales": ["orders"], "crm": []}, cron="0 0 * * *")) as loads:
        pass
    assert loads.tags == ["gold", "sales", "crm"]
    assert loads.cron == "0 0 * * *"
    assert (loads.graphs, loads.datasets) == ([], [])


@pytest.mark.parametrize(
    ("variables", "options", "crons", "expected"),
    [
        ({}, {}, ("0 0 * * *", "0 * * * *"), "0 * * * *"),
        ({}, {}, ("0 0 * * *", None), None),
        ({}, {"data_cycle_enabled": "true", "data_cycle": "weekly"}, ("0 0 * * *", None), "0 0 * * 0"),
        ({"cron": "0 6 * * *"}, {}, ("0 0 * * *", "0 * * * *"), "0 6 * * *"),
    ],
)
def test_it_knows_the_schedules_of_what_it_waits_for(
    make_module: Any, variables: Any, options: Any, crons: tuple[str | None, ...], expected: str | None
) -> None:
    read = [StarlakeDependency(f"sales.t{number}", "table", cron=cron) for number, cron in enumerate(crons)]
    module = make_module(variables=dict(variables), **options)
    with module.pipeline(dependencies=transforms("kpi.margin", dependencies=read)) as pipeline:
        pass
    assert pipeline.computed_cron_expr == expected
    waits = not variables
    named = {f"sales.t{number}": cron for number, cron in enumerate(crons) if waits}
    assert pipeline.scheduled_datasets == {name: cron for name, cron in named.items() if cron}
    assert [dataset.name for dataset in pipeline.not_scheduled_datasets] == [n for n, cron in named.items() if not cron]


def test_it_is_no_job_before_its_with_statement_has_ended(make_module: Any) -> None:
    with make_module().pipeline() as pipeline, pytest.raises(StarlakeError, match="not a job yet"):
        _ = pipeline.dag


def test_it_is_of_loads_or_of_transforms(make_module: Any, schedule: Callable[..., Any]) -> None:
    with make_module().orchestration() as orchestration:
        for given in ({}, {"schedule": schedule({}), "dependencies": transforms("kpi.margin")}):
            with pytest.raises(StarlakeError, match="either a schedule of loads or the dependencies"):
                orchestration.sl_create_pipeline(**given)


@pytest.mark.parametrize(("cron", "message"), [("daily", "variable cron"), ("61 0 * * *", "61 0")])
def test_a_cron_expression_that_cannot_be_used_is_told_of_at_once(make_module: Any, cron: str, message: str) -> None:
    with (
        make_module(variables={"cron": cron}).orchestration() as orchestration,
        pytest.raises(StarlakeError, match=message),
    ):
        orchestration.sl_create_pipeline(dependencies=transforms("kpi.margin"))


def test_what_is_no_dependency_has_no_task(make_module: Any) -> None:
    with make_module().pipeline() as pipeline:
        task = pipeline.start_task()
        assert pipeline.dependency_to_task(task) is task
        with pytest.raises(StarlakeError, match="neither a transform nor a table"):
            pipeline.dependency_to_task("kpi.margin")
        with pytest.raises(StarlakeError, match="'orders' cannot be loaded"):
            pipeline.dependency_to_task(StarlakeDependency("orders", "table"))


def test_a_dependency_has_one_task(make_module: Any) -> None:
    with make_module().pipeline(dependencies=transforms("kpi.margin")) as pipeline:
        [graph] = pipeline.graphs
        assert pipeline.dependency_to_task(graph.node) is pipeline.dependency_to_task(graph.node)
        assert pipeline.tasks_names == ["kpi_margin_task"]


def test_two_tasks_of_one_name_are_both_named(make_module: Any) -> None:
    with make_module().pipeline() as pipeline:
        pipeline.sl_load("x", "sales", "orders")
        with pytest.raises(NameCollisionError, match=r"orders.*items"):
            pipeline.sl_load("x", "sales", "items")


class TestCommands:
    def test_the_variable_jobs_has_the_options_of_single_tasks(self, make_module: Any, run: Any, recorder: Any) -> None:
        variables = {"jobs": {"kpi.margin": {"options": "rate=2"}, "sales.orders": {"options": {"day": "x"}}}}
        with make_module(variables=variables).pipeline(dependencies=transforms("kpi.margin", "kpi.other")) as pipeline:
            for graph in pipeline.graphs:
                pipeline.dependency_to_task(graph.node)
            pipeline.sl_load(None, "sales", "orders")
        assert run(pipeline.dag).success
        assert sorted(recorder.shown) == [
            "load --domains sales --tables orders --options day=x",
            "transform --name kpi.margin --options rate=2",
            "transform --name kpi.other",
        ]

    def test_they_may_be_merged_into_the_options(self, make_module: Any, run: Any, recorder: Any) -> None:
        module = make_module(**{"kpi.margin": {"options": "rate=2"}})
        with module.pipeline(dependencies=transforms("kpi.margin")) as pipeline:
            pipeline.sl_transform("margin", "kpi.margin")
        run(pipeline.dag)
        assert recorder.shown == ["transform --name kpi.margin --options rate=2"]

    def test_a_run_may_give_options_by_the_name_of_the_task(self, make_module: Any, run: Any, recorder: Any) -> None:
        """M03: the peer looks them up by another name than the one that it documents."""
        with make_module().pipeline(dependencies=transforms("kpi.margin")) as pipeline:
            pipeline.sl_transform("kpi_margin_task", "kpi.margin")
        for section in ("kpi.margin", "kpi_margin_task"):
            recorder.commands.clear()
            config = {"ops": {"kpi_margin_task": {"config": {"options": {section: {"rate": "3"}}}}}}
            assert run(pipeline.dag, run_config=config).success
            assert recorder.shown == ["transform --name kpi.margin --options rate=3"]

    def test_what_it_makes_is_named_by_its_sink(self, make_module: Any, run: Any) -> None:
        with make_module().pipeline(dependencies=transforms("kpi.margin", sink="mart.Margins")) as pipeline:
            [graph] = pipeline.graphs
            pipeline.dependency_to_task(graph.node)
        result = run(pipeline.dag)
        [key] = [event.asset_key for event in result.all_events if event.is_step_materialization]
        assert key.to_user_string() == "mart_Margins"

    def test_nothing_is_passed_between_ops(self, make_module: Any, run: Any) -> None:
        """Values between ops would be kept by the IO manager, for each run."""
        with make_module().pipeline() as pipeline:
            pipeline.start_task() >> pipeline.sl_load(None, "sales", "orders") >> pipeline.end_task()
        kinds = {event.event_type_value for event in run(pipeline.dag).all_events}
        assert not kinds & {"HANDLED_OUTPUT", "LOADED_INPUT"}

    def test_the_hook_and_the_variables_for_spark_count(
        self, make_module: Any, run: Any, recorder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        variables = {"spark_properties": {"spark.driver.memory": "4g"}}
        module = make_module(variables=variables, spark_config_name="large")
        named = ModuleType("generated_spark")
        named.__dict__["spark_executor_memory"] = "2g"
        monkeypatch.setitem(sys.modules, "generated_spark", named)
        module.job.module_name = "generated_spark"
        with module.pipeline() as pipeline:
            pipeline.sl_load(None, "sales", "orders")
        run(pipeline.dag)
        assert recorder.spark_configs[0].__config__() == {
            "spark.executor.memory": "2g",
            "spark.executor.cores": "4",
            "spark.executor.instances": "1",
            "spark.driver.memory": "4g",
        }
        asked: list[tuple[Any, Any]] = []
        named.__dict__["get_spark_config"] = lambda name, **properties: asked.append((name, properties))
        with module.pipeline() as pipeline:
            pipeline.sl_load("again", "sales", "orders")
        assert asked == [("large", {"spark.driver.memory": "4g"})]


class TestModules:
    def test_the_module_that_makes_it_gets_its_definitions(self, make_module: Any) -> None:
        module = make_module()
        with module.pipeline() as pipeline:
            pipeline.start_task()
        assert isinstance(module.variables["defs"], Definitions)
        assert module.variables["defs"].get_job_def("sales_load") is pipeline.dag

    def test_the_caller_is_found_whatever_the_job_says_it_is_called(
        self, make_module: Any, schedule: Callable[..., Any]
    ) -> None:
        job = make_module().job
        code = (
            "with OrchestrationFactory.create_orchestration(job=job) as orchestration:\n"
            "    with orchestration.sl_create_pipeline(schedule=schedule) as pipeline:\n"
            "        pipeline.start_task()\n"
        )
        for name in (None, "elsewhere"):
            job.module_name = name
            variables = {
                "__name__": "elsewhere",
                "OrchestrationFactory": OrchestrationFactory,
                "job": job,
                "schedule": schedule({"sales": ["orders"]}),
            }
            exec(code, variables)
            assert isinstance(variables["defs"], Definitions)

    def test_schedules_whose_names_clash_are_both_named(self, make_module: Any, schedule: Callable[..., Any]) -> None:
        with make_module().orchestration() as orchestration:
            with orchestration.sl_create_pipeline(schedule({"sales": ["a"]}, "every day")) as pipeline:
                pipeline.start_task()
            with pytest.raises(NameCollisionError, match=r"every day.*every_day"):
                orchestration.sl_create_pipeline(schedule({"sales": ["a"]}, "every_day"))

    def test_a_job_of_nobody_has_no_orchestration(self, make_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        job = make_module().job
        with monkeypatch.context() as patch:
            patch.setattr(type(job), "sl_orchestrator", classmethod(lambda _: StarlakeOrchestrator.SNOWFLAKE))
            with pytest.raises(StarlakeError, match="is for snowflake, whose pipelines cannot run here") as caught:
                OrchestrationFactory.create_orchestration(job)
        assert "installed orchestrators: airflow, dagster" in str(caught.value)
        assert type(OrchestrationFactory.create_orchestration(job)).__name__ == "DagsterOrchestration"

    def test_the_jobs_of_several_files_fit_into_one_code_location(
        self, make_module: Any, schedule: Callable[..., Any], run: Any
    ) -> None:
        """Dagster wants the definitions of all ops of a code location to have names of their own."""
        found = []
        for name in ("one.py", "two.py"):
            module = make_module(name)
            with module.pipeline(schedule({"sales": ["orders"]})) as pipeline:
                with pipeline.orchestration.sl_create_task_group("sales", pipeline) as group:
                    pipeline.sl_load(None, "sales", "orders")
                pipeline.start_task() >> group >> pipeline.end_task()
            found.append(module.variables["defs"])
        merged = Definitions.merge(*found).get_repository_def()
        assert {"one", "two"} <= set(merged.job_names)
        assert run(merged.get_job("two")).success


def test_transforms_whose_names_clash_are_both_named(make_module: Any) -> None:
    def clash() -> None:
        with make_module().pipeline(dependencies=transforms("a.b_c", "a_b.c")) as pipeline:
            for graph in pipeline.graphs:
                pipeline.dependency_to_task(graph.node)

    with pytest.raises(NameCollisionError, match=r"a\.b_c.*a_b\.c"):
        clash()


def test_a_file_named_as_its_table_makes_its_asset_once(
    make_module: Any, schedule: Callable[..., Any], run: Any
) -> None:
    for given in (
        {"schedule": schedule({"sales": ["orders"]})},
        {"dependencies": transforms("kpi.margin", sink="sales.orders")},
    ):
        with make_module("sales_orders.py").pipeline(**given) as pipeline:
            tasks = [pipeline.dependency_to_task(graph.node) for graph in pipeline.graphs]
            (tasks or pipeline.sl_load("load", "sales", "orders")) >> pipeline.end_task()
        result = run(pipeline.dag)
        found = [event.asset_key.to_user_string() for event in result.all_events if event.is_step_materialization]
        assert found == ["sales_orders"]
