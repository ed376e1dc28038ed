"""Arrange the tasks of the pipelines of generated DAG files: loads by schedule, transforms by dependency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai.starlake.common import sanitize_id
from ai.starlake.job import StarlakePreLoadStrategy
from ai.starlake.orchestration.load_schedules import StarlakeDomain
from ai.starlake.orchestration.pipeline_builder import PipelineBuilder
from ai.starlake.orchestration.task_graph import AbstractDependency, AbstractTaskGroup


def arrange_loads(builder: PipelineBuilder[Any]) -> None:
    """Fill a pipeline with the loads of its schedule.

    The domains run in parallel, each a group of its pre-load check and of its loads, which run in parallel too.

    Args:
        builder: Creates the tasks of the pipeline.
    """
    start, pre_tasks = builder.start(), builder.before_all()
    domains = [_domain(builder, domain) for domain in builder.spec.domains]
    _enclose(builder, (start, pre_tasks), domains, domains)


def arrange_transforms(builder: PipelineBuilder[Any]) -> None:
    """Fill a pipeline with its transforms, each after its dependencies.

    With the option `run_dependencies_first`, all their dependencies run in the pipeline too, including loads.

    Args:
        builder: Creates the tasks of the pipeline.
    """
    start, pre_tasks = builder.start(), builder.before_all()
    trees = list(builder.spec.graphs)
    dependencies = {tree.node.name: tree.node for root in trees for tree in (root, *root.parents)}
    tasks = {name: builder.task_of(dependency) for name, dependency in dependencies.items()}
    for tree in trees:
        if tree.parents:
            tasks[tree.node.name] << [tasks[parent.node.name] for parent in tree.parents]
    waiting = {tree.node.name for tree in trees if tree.parents}
    waited_for = {parent.node.name for tree in trees for parent in tree.parents}
    first = [task for name, task in tasks.items() if name not in waiting]
    last = [task for name, task in tasks.items() if name not in waited_for]
    _enclose(builder, (start, pre_tasks), first, last)


def _enclose(
    builder: PipelineBuilder[Any],
    before: tuple[AbstractDependency, AbstractDependency | None],
    first: Sequence[AbstractDependency],
    last: Sequence[AbstractDependency],
) -> None:
    """Put the first task and the preparation before the work, the clean-up and the last task after it."""
    (start, pre_tasks), end, post_tasks = before, builder.end(), builder.after_all()
    if pre_tasks:
        start >> pre_tasks >> first
    else:
        start >> first
    end << last
    if post_tasks:
        all_done = builder.ordering("all_done")
        all_done << last
        all_done >> post_tasks >> end


def _domain(builder: PipelineBuilder[Any], domain: StarlakeDomain) -> AbstractTaskGroup:
    """Create the group of a domain: its parallel loads, after the check that there is something to load."""
    schedule = builder.spec.schedule_name
    name = f"{domain.name}_{schedule}" if schedule else domain.name
    checked = builder.spec.pre_load_strategy is not StarlakePreLoadStrategy.NONE
    with builder.group(sanitize_id(name)) as group:
        ready = _pre_load(builder, domain, name) if checked else None
        with builder.group(sanitize_id(f"load_{name}")) as loads:
            for table in domain.tables:
                builder.load(sanitize_id(f"load_{domain.name}_{table.name}"), domain.name, table.name)
        if ready:
            ready >> loads
    return group


def _pre_load(builder: PipelineBuilder[Any], domain: StarlakeDomain, name: str) -> AbstractTaskGroup:
    """Create the group that decides whether a domain is loaded, and imports its files if the strategy requires it."""
    tables = [table.name for table in domain.tables]
    with builder.group(sanitize_id(f"pre_load_{name}")) as group:
        check = builder.pre_load(domain.name, tables)
        skip_or_start = builder.skip_or_start(f"skip_or_start_loading_{name}", check)
        if check and skip_or_start:
            check >> skip_or_start
        if check and builder.spec.pre_load_strategy is StarlakePreLoadStrategy.IMPORTED:
            (skip_or_start or check) >> builder.import_files(f"import_{name}", domain.name, tables)
    return group
