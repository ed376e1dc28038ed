"""DAG files that run tasks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ai.starlake.common import job_name
from ai.starlake.project.dag_generation.configs import find_config
from ai.starlake.project.dag_generation.dependencies import dependencies_json, dependency_list
from ai.starlake.project.dag_generation.generated_files import DagFile
from ai.starlake.project.dag_generation.schedules import NO_SCHEDULE, Schedules
from ai.starlake.project.dag_generation.templates import Templates
from ai.starlake.project.lineage.graph import Graph
from ai.starlake.project.models import Application, DagConfig, Task
from ai.starlake.project.project import Project

logger = logging.getLogger(__name__)


def task_files(project: Project, templates: Templates, tags: frozenset[str]) -> Iterator[DagFile]:
    """The files for all tasks that have a DAG configuration; tasks whose file names are the same share a file.

    Args:
        project: The project.
        templates: Its templates.
        tags: Only tasks that have one of them; all tasks when empty.

    Raises:
        StarlakeError: If a configuration or template does not exist or cannot be used, or if tasks depend on each other
            in a circle.
    """
    chosen: dict[str, list[Task]] = {}
    for task in project.tasks:
        ref = task.dag_ref or project.application.dag_ref.transform
        if ref and (not tags or tags & set(task.tags)):
            chosen.setdefault(ref, []).append(task)
    graph = Graph(project)
    for name, tasks in chosen.items():
        config = find_config(project, name, tasks[0].full_name)
        schedules = Schedules(project.application, (task.schedule for task in tasks))
        by_file: dict[str, list[Task]] = {}
        for task in tasks:
            by_file.setdefault(templates.file_name(config, _variables(task, schedules)), []).append(task)
        for group in by_file.values():
            context: dict[str, Any] = {
                "cron": _cron(project.application, config, group),
                "nodes": dependency_list(graph, group),
                "tasks": [task.full_name for task in group],
            }
            # ours do without, so that layers of tasks that read all of the layer below do not grow exponentially
            if templates.is_own(config):
                context["dependencies"] = dependencies_json(graph, group)
            source = f"{config.file} for {group[0].full_name}"
            file = templates.file(config, source, _variables(group[0], schedules), context)
            made = frozenset(name for task in group for name in (task.full_name, task.target))
            yield replace(file, jobs=(job_name(file.name),), makes=made)


def _variables(task: Task, schedules: Schedules) -> dict[str, str]:
    return {
        "table": task.table,
        "domain": task.domain,
        "name": task.full_name,
        "task": task.name,
        "schedule": schedules.name(task.schedule),
    }


def _cron(application: Application, config: DagConfig, tasks: Sequence[Task]) -> str:
    """The cron expression of a file: that of the first task that has one."""
    crons = {cron: task for task in reversed(tasks) for cron in [application.cron(task.schedule)] if cron}
    if len(crons) > 1:
        logger.warning(
            "%s: the tasks %s have schedules of their own but share a file, which runs as the first one says; "
            "use {{schedule}} in the filename to tell them apart",
            config.file,
            ", ".join(sorted(task.full_name for task in crons.values())),
        )
    return next(reversed(crons), NO_SCHEDULE)
