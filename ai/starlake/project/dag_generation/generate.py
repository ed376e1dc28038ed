"""All DAG files of a project."""

from __future__ import annotations

from collections.abc import Iterable

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.project.checks.collisions import check_names
from ai.starlake.project.checks.schedule_checks import check_schedules
from ai.starlake.project.dag_generation.generated_files import DagFile, distinct
from ai.starlake.project.dag_generation.loads import load_files
from ai.starlake.project.dag_generation.tasks import task_files
from ai.starlake.project.dag_generation.templates import StartOf, Templates
from ai.starlake.project.findings import ProjectError
from ai.starlake.project.models import Table, Task
from ai.starlake.project.project import Project


def generate(
    project: Project,
    *,
    tags: Iterable[str] = (),
    domains: bool = True,
    tasks: bool = True,
    start_of: StartOf | None = None,
) -> tuple[DagFile, ...]:
    """Renders the DAG files of a project; writes nothing.

    Args:
        project: The project.
        tags: Only tables and tasks that have one of these; all when empty.
        domains: Whether files that load tables are wanted.
        tasks: Whether files that run tasks are wanted.
        start_of: Gives the option `start_date` of files with a schedule whose configuration has none.

    Returns:
        The files, in the order of their names.

    Raises:
        StarlakeError: If a configuration or template does not exist or cannot be used, if two files would have the same
            name, if a schedule is not one, or if two names of the project become one in Dagster.
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
    """Makes sure that each job has a name of its own, which no asset of another file has either.

    A file may be named as a table that it makes.
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
