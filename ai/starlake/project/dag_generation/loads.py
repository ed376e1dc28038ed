"""DAG files that load tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from ai.starlake.common import job_name
from ai.starlake.project.dag_generation.configs import find_config
from ai.starlake.project.dag_generation.generated_files import DagFile
from ai.starlake.project.dag_generation.schedules import (
    DOMAIN_VARIABLES,
    NO_SCHEDULE,
    TABLE_VARIABLES,
    load_schedule_names,
)
from ai.starlake.project.dag_generation.templates import Templates
from ai.starlake.project.models import DagConfig, Domain, Table
from ai.starlake.project.project import Project


@dataclass(frozen=True)
class _Load:
    """A table, and the name and cron expression of its schedule."""

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
    """The files for all tables that have a DAG configuration.

    The variables in the file name of a configuration say what gets a file of its own: each table, each domain, each
    schedule. A file of one schedule holds the tables of that schedule only, whereas Starlake 1.5.16 repeats all tables
    of the configuration in each.

    Args:
        project: The project.
        templates: Its templates.
        tags: Only tables that have one of them; all tables when empty.

    Raises:
        StarlakeError: If a configuration or template does not exist or cannot be used.
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
            yield _file(templates, config, group)


def _groups(loads: Iterable[_Load], used: frozenset[str]) -> Iterator[Sequence[_Load]]:
    """What goes into one file each."""

    def key(load: _Load) -> tuple[str, str, str]:
        domain = load.domain.name if used & (TABLE_VARIABLES | DOMAIN_VARIABLES) else ""
        table = load.table.name if used & TABLE_VARIABLES else ""
        return domain, table, load.schedule if "schedule" in used else ""

    for _, group in groupby(sorted(loads, key=key), key):
        yield tuple(group)


def _file(templates: Templates, config: DagConfig, loads: Sequence[_Load]) -> DagFile:
    ordered = sorted(loads, key=lambda load: load.schedule)
    schedules = [_schedule(tuple(group)) for _, group in groupby(ordered, lambda load: load.schedule)]
    # a variable that means something else for each table of a file means nothing in it
    shared = {
        name: value if all(load.variables[name] == value for load in loads) else ""
        for name, value in loads[0].variables.items()
    }
    source = f"{config.file} for {loads[0].table.full_name}"
    file = templates.file(config, source, shared, {"schedules": schedules})
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
    """The name in the database, under both names that templates of Starlake know it by."""
    return {"finalName": item.final_name, "final_name": item.final_name}
