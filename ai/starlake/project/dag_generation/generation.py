"""All DAG files of a project: those that load tables, and those that run tasks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from ai.starlake.common import StarlakeError, job_name, sanitize_id
from ai.starlake.project.checks.collisions import check_names
from ai.starlake.project.checks.schedule_checks import check_schedules
from ai.starlake.project.dag_generation.dependency_lists import dependencies_json, dependency_list
from ai.starlake.project.dag_generation.generated_files import DagFile, distinct
from ai.starlake.project.dag_generation.schedule_names import (
    DOMAIN_VARIABLES,
    NO_SCHEDULE,
    TABLE_VARIABLES,
    Schedules,
    load_schedule_names,
)
from ai.starlake.project.dag_generation.templates import StartOf, Templates
from ai.starlake.project.findings import ProjectError, nearest
from ai.starlake.project.lineage.graph import Graph
from ai.starlake.project.models import Application, DagConfig, Domain, Table, Task, compute_of
from ai.starlake.project.project import Project

logger = logging.getLogger(__name__)


def generate(
    project: Project,
    *,
    tags: Iterable[str] = (),
    domains: bool = True,
    tasks: bool = True,
    start_of: StartOf | None = None,
) -> tuple[DagFile, ...]:
    """Render the DAG files of a project; write nothing.

    Args:
        project: The project.
        tags: Only tables and tasks with one of these; all if empty.
        domains: True to generate files that load tables.
        tasks: True to generate files that run tasks.
        start_of: Returns the option `start_date` of scheduled files whose configuration has none.

    Returns:
        The files, in the order of their names.

    Raises:
        ProjectError: If a schedule is invalid, or if two names of the project result in one name in Dagster.
        StarlakeError: If a configuration or template is missing or invalid, if two files have the same name, if a
            schedule is invalid, or if two names of the project result in one name in Dagster.
    """
    items: list[Table | Task] = [*(table for domain in project.domains for table in domain.tables), *project.tasks]
    wrong = [*check_schedules(project, items), *check_names(items)]
    if wrong:
        raise ProjectError(wrong)
    templates, wanted = Templates(project, start_of), frozenset(tags)
    files: list[DagFile] = []
    if domains:
        files += load_files(project, templates, wanted)
    if tasks:
        files += task_files(project, templates, wanted)
    found = distinct(files)
    _check_jobs(found, items)
    return found


def _check_jobs(files: Iterable[DagFile], items: Iterable[Table | Task]) -> None:
    """Check that each job has a unique name, which no asset of another file has either.

    A file may be named after a table that it makes.
    """
    assets = {sanitize_id(name): name for item in items for name in _made(item)}
    jobs: dict[str, DagFile] = {}
    for file in files:
        for job in file.jobs:
            other = jobs.setdefault(job, file)
            if other is not file:
                raise StarlakeError(
                    f"{other.source} and {file.source} both make the job {job}, in {other.name} and {file.name}",
                    fix="change the filename in metadata/dags, so that each has its own",
                )
            if job in assets and assets[job] not in file.makes:
                raise StarlakeError(
                    f"{file.source}: the job {job} of {file.name} has the name of the asset of {assets[job]}",
                    cause="the record that the job has run would be taken for an update of the table",
                    fix="change the filename in metadata/dags",
                )


def _made(item: Table | Task) -> tuple[str, ...]:
    return (item.full_name,) if isinstance(item, Table) else (item.full_name, item.target)


@dataclass(frozen=True)
class _Load:
    """A table, with the name and the cron expression of its schedule."""

    domain: Domain
    table: Table
    schedule: str
    cron: str | None

    @property
    def variables(self) -> dict[str, str]:
        return {
            "schedule": self.schedule,
            "domain": self.domain.name,
            "finalDomain": self.domain.final_name,
            "renamedDomain": self.domain.final_name,
            "table": self.table.name,
            "finalTable": self.table.final_name,
            "renamedTable": self.table.final_name,
        }


def load_files(project: Project, templates: Templates, tags: frozenset[str]) -> Iterator[DagFile]:
    """Yield the files for all tables with a DAG configuration.

    The variables in the file name of a configuration determine the files: one per table, domain or schedule. A file for
    one schedule contains the tables of that schedule only, whereas Starlake 1.5.16 repeats all tables of the
    configuration in each.

    Args:
        project: The project.
        templates: Its templates.
        tags: Only tables with one of them; all tables if empty.

    Raises:
        StarlakeError: If a configuration or template is missing or invalid.
    """
    chosen: dict[str, list[tuple[Domain, Table]]] = {}
    for domain in project.domains:
        for table in domain.tables:
            if table.metadata.dag_ref and (not tags or tags & set(table.tags)):
                chosen.setdefault(table.metadata.dag_ref, []).append((domain, table))
    for name, tables in chosen.items():
        config = find_config(project, name, tables[0][1].full_name)
        used = templates.variables(config)
        schedules = {(domain.name, table.name): table.metadata.schedule for domain, table in tables}
        names = load_schedule_names(schedules, used)
        crons = {key: project.application.cron(schedule) for key, schedule in schedules.items()}
        loads = [
            _Load(domain, table, names[key] if crons[key] else NO_SCHEDULE, crons[key])
            for domain, table in tables
            for key in [(domain.name, table.name)]
        ]
        for group in _groups(loads, used):
            yield _load_file(templates, config, group)


def _groups(loads: Iterable[_Load], used: frozenset[str]) -> Iterator[Sequence[_Load]]:
    """Yield the tables of each file."""

    def key(load: _Load) -> tuple[str, str, str]:
        domain = load.domain.name if used & (TABLE_VARIABLES | DOMAIN_VARIABLES) else ""
        table = load.table.name if used & TABLE_VARIABLES else ""
        return domain, table, load.schedule if "schedule" in used else ""

    for _, group in groupby(sorted(loads, key=key), key):
        yield tuple(group)


def _load_file(templates: Templates, config: DagConfig, loads: Sequence[_Load]) -> DagFile:
    ordered = sorted(loads, key=lambda load: load.schedule)
    schedules = [_schedule(tuple(group)) for _, group in groupby(ordered, lambda load: load.schedule)]
    # a variable that differs between the tables of a file is undefined in it
    shared = {
        name: value if all(load.variables[name] == value for load in loads) else ""
        for name, value in loads[0].variables.items()
    }
    source = f"{config.file} for {loads[0].table.full_name}"
    profiles = _profiles(config, (load.table for load in loads))
    file = templates.file(config, source, shared, {"schedules": schedules, **profiles})
    names = [schedule["schedule"] if len(schedules) > 1 else None for schedule in schedules]
    made = frozenset(load.table.full_name for load in loads)
    return replace(file, jobs=tuple(job_name(file.name, name) for name in names), makes=made)


def _schedule(loads: Sequence[_Load]) -> dict[str, Any]:
    domains = [
        {
            "name": name,
            **_final(tables[0].domain),
            "tables": [{"name": load.table.name, **_final(load.table)} for load in tables],
        }
        for name, group in groupby(loads, lambda load: load.domain.name)
        for tables in [tuple(group)]
    ]
    return {"schedule": loads[0].schedule, "cron": loads[0].cron, "domains": domains, "rawDomains": domains}


def _final(item: Domain | Table) -> dict[str, str]:
    """Return the name in the database, under both names that Starlake's templates use."""
    return {"finalName": item.final_name, "final_name": item.final_name}


def task_files(project: Project, templates: Templates, tags: frozenset[str]) -> Iterator[DagFile]:
    """Yield the files for all tasks with a DAG configuration; tasks with the same file name share a file.

    Args:
        project: The project.
        templates: Its templates.
        tags: Only tasks with one of them; all tasks if empty.

    Raises:
        StarlakeError: If a configuration or template is missing or invalid, or if tasks have circular dependencies.
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
            by_file.setdefault(templates.file_name(config, _task_variables(task, schedules)), []).append(task)
        for group in by_file.values():
            context: dict[str, Any] = {
                "cron": _cron(project.application, config, group),
                "nodes": dependency_list(graph, group),
                "tasks": [task.full_name for task in group],
                **_profiles(config, group),
            }
            # ours do not need it, so layers of tasks that read the whole layer below do not grow exponentially
            if templates.is_own(config):
                context["dependencies"] = dependencies_json(graph, group)
            source = f"{config.file} for {group[0].full_name}"
            file = templates.file(config, source, _task_variables(group[0], schedules), context)
            made = frozenset(name for task in group for name in (task.full_name, task.target))
            yield replace(file, jobs=(job_name(file.name),), makes=made)


def _profiles(config: DagConfig, items: Iterable[Table | Task]) -> dict[str, dict[str, str]]:
    """Return the compute profiles of a file's tables and tasks, if the configuration has profiles."""
    if "compute" not in config.options:
        return {}
    named = {item.full_name: profile for item in items if (profile := compute_of(item))}
    return {"compute": named} if named else {}


def _task_variables(task: Task, schedules: Schedules) -> dict[str, str]:
    return {
        "table": task.table,
        "domain": task.domain,
        "name": task.full_name,
        "task": task.name,
        "schedule": schedules.name(task.schedule),
    }


def _cron(application: Application, config: DagConfig, tasks: Sequence[Task]) -> str:
    """Return the cron expression of a file: that of the first task with one."""
    crons = {cron: task for task in reversed(tasks) for cron in [application.cron(task.schedule)] if cron}
    if len(crons) > 1:
        logger.warning(
            "%s: the tasks %s have different schedules but share a file, which has the schedule of the first one; "
            "use {{schedule}} in the filename to give each schedule a file",
            config.file,
            ", ".join(sorted(task.full_name for task in crons.values())),
        )
    return next(reversed(crons), NO_SCHEDULE)


def find_config(project: Project, name: str, user: str) -> DagConfig:
    """Return the configuration with a name.

    Args:
        project: The project.
        name: The value of ``dagRef``.
        user: The table or task that uses it, for the error.

    Raises:
        StarlakeError: If it does not exist, or if a file of ``metadata/dags`` is invalid.
    """
    config = project.dag_configs.get(name.removesuffix(".sl.yml"))
    if config is not None:
        return config
    folder = project.settings.folder("dags", "SL_DAGS")
    raise StarlakeError(
        f"the DAG configuration {name} of {user} does not exist",
        cause=f"there is no {folder / name}.sl.yml",
        fix=nearest(name, project.dag_configs) or "write it, or correct dagRef",
    )
