"""The tables made of what was loaded, as soon as all of it is there

Generated with the template transform/dagster__scheduled_task__shell.py.j2.
Change the project, the DAG configuration or the template, and generate it again; it is overwritten then.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ai.starlake.job import (
    StarlakeExecutionEnvironment,
    StarlakeJobFactory,
    StarlakeOrchestrator,
)
from ai.starlake.orchestration import (
    OrchestrationFactory,
    StarlakeDependencies,
    StarlakeDependency,
    StarlakeDependencyType,
)

description = "The tables made of what was loaded, as soon as all of it is there"
template = "transform/dagster__scheduled_task__shell.py.j2"

options = {
    "dataset_triggering_strategy": "all",
    "SL_STARLAKE_PATH": "starlake-embedded",
    "tags": "starbake transform",
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

cron = None

TABLE, TASK = StarlakeDependencyType.TABLE, StarlakeDependencyType.TASK

known: dict[str, StarlakeDependency] = {}


def add(name: str, kind: StarlakeDependencyType, reads: Sequence[str] = (), **facts: str | int) -> None:
    """Add a table or a task. What it reads comes before it."""
    known[name] = StarlakeDependency(name, kind, dependencies=[known[read] for read in reads], **facts)


add("starbake.Customers", TABLE, cron="0 5 * * *")
add("starbake.Orders", TABLE, cron="0 5 * * *")
add("Customers.CustomerLifeTimeValue", TASK, reads=["starbake.Customers", "starbake.Orders"])
add("Customers.HighValueCustomers", TASK, reads=["Customers.CustomerLifeTimeValue"])
add("starbake.Products", TABLE, cron="0 5 * * *")
add("starbake.Ingredients", TABLE, cron="0 5 * * *")
add("Products.ProductMargins", TASK, reads=["starbake.Products", "starbake.Ingredients"])
add("kpis.DailySales", TASK, reads=["starbake.Orders", "Products.ProductMargins", "Customers.HighValueCustomers"])

dependencies = StarlakeDependencies(
    dependencies=[
        known["Customers.CustomerLifeTimeValue"],
        known["Customers.HighValueCustomers"],
        known["Products.ProductMargins"],
        known["kpis.DailySales"],
    ]
)

with (
    OrchestrationFactory.create_orchestration(job=sl_job) as orchestration,
    orchestration.sl_create_pipeline(dependencies=dependencies) as pipeline,
):
    start = pipeline.start_task()
    pre_tasks = pipeline.pre_tasks()

    graphs = list(pipeline.graphs)
    nodes = {node.node.name: node.node for graph in graphs for node in (graph, *graph.parents)}
    tasks = {name: pipeline.dependency_to_task(node) for name, node in nodes.items()}
    for graph in graphs:
        if graph.parents:
            tasks[graph.node.name] << [tasks[parent.node.name] for parent in graph.parents]

    reading = {graph.node.name for graph in graphs if graph.parents}
    read = {parent.node.name for graph in graphs for parent in graph.parents}
    first = [task for name, task in tasks.items() if name not in reading]
    last = [task for name, task in tasks.items() if name not in read]

    end = pipeline.end_task()
    post_tasks = pipeline.post_tasks()

    if pre_tasks:
        start >> pre_tasks >> first
    else:
        start >> first
    end << last
    if post_tasks:
        all_done = pipeline.sl_dummy_op(task_id="all_done")
        all_done << last
        all_done >> post_tasks >> end

pipelines = [pipeline]
