"""DAG files in the form of Starlake's own templates for Airflow, whose body calls all that such files call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.airflow.airflow_home import dag_bag

_HEAD = """
from ai.starlake.job import StarlakeOrchestrator, StarlakeExecutionEnvironment
from ai.starlake.job import StarlakePreLoadStrategy, StarlakeJobFactory
from ai.starlake.common import sanitize_id
from ai.starlake.orchestration import (
    OrchestrationFactory, StarlakeDependencies, StarlakeDomain, StarlakeSchedule, StarlakeTable,
)
from ai.starlake.airflow import StarlakeAirflowOptions, DEFAULT_DAG_ARGS
import json, os, sys

description = "what it is for"
options = {options!r}
orchestrator = StarlakeOrchestrator.AIRFLOW
execution_environment = StarlakeExecutionEnvironment.{environment}
access_control = None
__dag_args = json.loads(StarlakeAirflowOptions.get_context_var(
    var_name="default_dag_args", default_value='{{}}', options=options))
default_dag_args = dict(__dag_args, **DEFAULT_DAG_ARGS)
{extra}
sl_job = StarlakeJobFactory.create_job(
    filename=os.path.basename(__file__), module_name=f"{{__name__}}", orchestrator=orchestrator,
    execution_environment=execution_environment, options=dict(options, **globals().get("jobs", {{}})))
"""

_LOADS = """
schedules = [
    StarlakeSchedule(name=name, cron=cron, domains=[
        StarlakeDomain(name=d, final_name=d, tables=[StarlakeTable(name=t, final_name=t) for t in tables])
        for d, tables in domains.items()])
    for name, cron, domains in {schedules!r}
]
with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:
    def generate_pipeline(schedule):
        if len(schedules) == 1:
            schedule.name = None
        with orchestration.sl_create_pipeline(schedule=schedule) as pipeline:
            schedule = pipeline.schedule
            schedule_name = sanitize_id(schedule.name) if schedule.name else None
            start = pipeline.start_task()
            pre_tasks = pipeline.pre_tasks()
            if pre_tasks:
                start >> pre_tasks

            def generate_load_domain(domain):
                name = f"{{domain.name}}_{{schedule_name}}" if schedule_name else domain.name
                tables = set(table.name for table in domain.tables)
                with orchestration.sl_create_task_group(group_id=sanitize_id(name), pipeline=pipeline) as ld:
                    pld = None
                    if pipeline.pre_load_strategy != StarlakePreLoadStrategy.NONE:
                        group_id = sanitize_id(f"pre_load_{{name}}")
                        with orchestration.sl_create_task_group(group_id=group_id, pipeline=pipeline) as pld:
                            pre_load = pipeline.sl_pre_load(domain=domain.name, tables=tables)
                            skip_or_start = pipeline.skip_or_start(
                                task_id=f"skip_or_start_loading_{{name}}", upstream_task=pre_load)
                            sl_import = None
                            if pipeline.pre_load_strategy == StarlakePreLoadStrategy.IMPORTED:
                                sl_import = pipeline.sl_import(
                                    task_id=f"import_{{name}}", domain=domain.name, tables=tables)
                            if skip_or_start:
                                pre_load >> skip_or_start
                                if sl_import:
                                    skip_or_start >> sl_import
                            elif sl_import:
                                pre_load >> sl_import
                    with orchestration.sl_create_task_group(
                        group_id=sanitize_id(f"load_{{name}}"), pipeline=pipeline) as loads:
                        for table in domain.tables:
                            pipeline.sl_load(task_id=sanitize_id(f"load_{{domain.name}}_{{table.name}}"),
                                             domain=domain.name, table=table.name)
                    if pld:
                        pld >> loads
                return ld

            load_domains = [generate_load_domain(domain) for domain in schedule.domains]
            end = pipeline.end_task()
            if pre_tasks:
                start >> pre_tasks >> load_domains
            else:
                start >> load_domains
            end << load_domains
            post_tasks = pipeline.post_tasks()
            if post_tasks:
                all_done = pipeline.sl_dummy_op(task_id="all_done")
                all_done << load_domains
                all_done >> post_tasks >> end
        return pipeline

    pipelines = [generate_pipeline(schedule) for schedule in schedules]
"""

_TRANSFORMS = """
cron = {cron!r}
dependencies = StarlakeDependencies(
    dependencies={dependencies}, filtered_datasets=globals().get("filtered_datasets", set()))
with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:
    with orchestration.sl_create_pipeline(dependencies=dependencies) as pipeline:
        start = pipeline.start_task()
        pre_tasks = pipeline.pre_tasks()
        if pre_tasks:
            start >> pre_tasks
        end = pipeline.end_task()
        post_tasks = pipeline.post_tasks()
        all_done = None
        if post_tasks:
            all_done = pipeline.sl_dummy_op(task_id="all_done")
            all_done >> post_tasks >> end
        for graph in pipeline.graphs:
            parent_tasks = [pipeline.dependency_to_task(parent.node) for parent in graph.parents]
            task = pipeline.dependency_to_task(graph.node)
            (pre_tasks or start) >> (parent_tasks or task)
            if parent_tasks:
                task << parent_tasks
            task >> (all_done or end)
pipelines = [pipeline]
"""

DATAPROC = {"dataproc_project_id": "p", "spark_bucket": "b", "spark_jar_list": "gs://jars/starlake.jar"}
"""The options without which there is no cluster."""


def load_file(
    folder: Path,
    schedules: Sequence[tuple[str, str | None, Mapping[str, Sequence[str]]]],
    *,
    environment: str = "SHELL",
    extra: str = "",
    name: str = "shop_load.py",
    **options: Any,
) -> Path:
    """Write a file that loads: for each schedule its name, its cron expression, and tables by domain."""
    written = [(each, cron, {d: list(t) for d, t in domains.items()}) for each, cron, domains in schedules]
    head = _HEAD.format(options=options, environment=environment, extra=extra)
    file = folder / name
    file.write_text(head + _LOADS.format(schedules=written), encoding="utf-8")
    return file


def transform_file(
    folder: Path,
    dependencies: str,
    *,
    cron: str = "None",
    environment: str = "SHELL",
    extra: str = "",
    name: str = "kpi_tasks.py",
    **options: Any,
) -> Path:
    """Write a file that transforms: `dependencies` is the JSON text of `node`, as an expression of Python."""
    head = _HEAD.format(options=options, environment=environment, extra=extra)
    file = folder / name
    file.write_text(head + _TRANSFORMS.format(cron=cron, dependencies=dependencies), encoding="utf-8")
    return file


def dags_of(file: Path) -> dict[str, Any]:
    """Return the DAGs of a file as the DAG processor finds them: without an error or a warning."""
    bag = dag_bag(file)
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    return dict(bag.dags)


def dag_of(file: Path) -> Any:
    """Return the only DAG of a file."""
    (dag,) = dags_of(file).values()
    return dag


def edges(dag: Any) -> set[str]:
    """Return which task comes right before which, as ``one >> other``, with the last parts of their ids."""
    return {
        f"{before.rpartition('.')[2]} >> {task.task_id.rpartition('.')[2]}"
        for task in dag.tasks
        for before in task.upstream_task_ids
    }


def node(name: str, *children: dict[str, Any], task: bool = True, **data: Any) -> dict[str, Any]:
    """Return a transform, or a table, with what it depends on, as `dag-generate` writes it."""
    kind = "task" if task else "table"
    return {"data": {"name": name, "typ": kind, "sink": name, **data}, "children": list(children), "task": task}


def table(name: str, **data: Any) -> dict[str, Any]:
    """Return a table that is loaded."""
    return node(name, task=False, **data)
