"""Files of the shops, loaded by processes on this machine

Generated with the template load/dagster__scheduled_table__shell.py.j2.
Change the project, the DAG configuration or the template, and generate it again; it is overwritten then.
"""

from __future__ import annotations

from pathlib import Path

from ai.starlake.common import sanitize_id
from ai.starlake.job import (
    StarlakeExecutionEnvironment,
    StarlakeJobFactory,
    StarlakeOrchestrator,
    StarlakePreLoadStrategy,
)
from ai.starlake.orchestration import (
    AbstractOrchestration,
    AbstractPipeline,
    AbstractTaskGroup,
    OrchestrationFactory,
    StarlakeDomain,
    StarlakeSchedule,
    StarlakeTable,
)

description = "What the shops delivered, loaded by processes on this machine"
template = "load/dagster__scheduled_table__shell.py.j2"

options = {
    "pre_load_strategy": "imported",
    "SL_STARLAKE_PATH": "starlake-embedded",
    "tags": "starbake load",
    "SL_TIMEZONE": "UTC",
}

orchestrator = StarlakeOrchestrator.DAGSTER
execution_environment = StarlakeExecutionEnvironment.SHELL

sl_job = StarlakeJobFactory.create_job(
    filename=Path(__file__).name,
    module_name=__name__,
    orchestrator=orchestrator,
    execution_environment=execution_environment,
    options=options,
)

schedules = [
    StarlakeSchedule(
        name=None,
        cron="0 5 * * *",
        domains=[
            StarlakeDomain(
                name="starbake",
                final_name="starbake",
                tables=[
                    StarlakeTable(name="Customers", final_name="Customers"),
                    StarlakeTable(name="Ingredients", final_name="Ingredients"),
                    StarlakeTable(name="Orders", final_name="Orders"),
                    StarlakeTable(name="Products", final_name="Products"),
                ],
            ),
        ],
    ),
]


def pre_load(
    orchestration: AbstractOrchestration, pipeline: AbstractPipeline, domain: StarlakeDomain, name: str
) -> AbstractTaskGroup:
    """Decides whether a domain is loaded; its files are moved to the pending area where the strategy says so."""
    tables = {table.name for table in domain.tables}
    with orchestration.sl_create_task_group(group_id=sanitize_id(f"pre_load_{name}"), pipeline=pipeline) as group:
        last = pipeline.sl_pre_load(domain=domain.name, tables=tables)
        gate = pipeline.skip_or_start(task_id=f"skip_or_start_loading_{name}", upstream_task=last)
        if gate:
            last >> gate
            last = gate
        if pipeline.pre_load_strategy == StarlakePreLoadStrategy.IMPORTED:
            last >> pipeline.sl_import(task_id=f"import_{name}", domain=domain.name, tables=tables)
    return group


def load(orchestration: AbstractOrchestration, pipeline: AbstractPipeline, domain: StarlakeDomain) -> AbstractTaskGroup:
    """Load the tables of a domain side by side, after the check that there is something to load."""
    name = f"{domain.name}_{pipeline.schedule_name}" if pipeline.schedule_name else domain.name
    checked = pipeline.pre_load_strategy != StarlakePreLoadStrategy.NONE
    with orchestration.sl_create_task_group(group_id=sanitize_id(name), pipeline=pipeline) as group:
        ready = pre_load(orchestration, pipeline, domain, name) if checked else None
        with orchestration.sl_create_task_group(group_id=sanitize_id(f"load_{name}"), pipeline=pipeline) as tables:
            for table in domain.tables:
                task_id = sanitize_id(f"load_{domain.name}_{table.name}")
                pipeline.sl_load(task_id=task_id, domain=domain.name, table=table.name)
        if ready:
            ready >> tables
    return group


def load_on(orchestration: AbstractOrchestration, schedule: StarlakeSchedule) -> AbstractPipeline:
    """Return the pipeline of a schedule: its domains, and what the execution environment needs around them."""
    with orchestration.sl_create_pipeline(schedule=schedule) as pipeline:
        start = pipeline.start_task()
        pre_tasks = pipeline.pre_tasks()
        domains = [load(orchestration, pipeline, domain) for domain in schedule.domains]
        end = pipeline.end_task()
        post_tasks = pipeline.post_tasks()

        if pre_tasks:
            start >> pre_tasks >> domains
        else:
            start >> domains
        end << domains
        if post_tasks:
            all_done = pipeline.sl_dummy_op(task_id="all_done")
            all_done << domains
            all_done >> post_tasks >> end
    return pipeline


with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:
    pipelines = [load_on(orchestration, schedule) for schedule in schedules]
