"""All DAG files of a project."""

from __future__ import annotations

from collections.abc import Iterable

from ai.starlake.project.dag_generation.files import DagFile, distinct
from ai.starlake.project.dag_generation.loads import load_files
from ai.starlake.project.dag_generation.tasks import task_files
from ai.starlake.project.dag_generation.templates import Templates
from ai.starlake.project.project import Project


def generate(
    project: Project, *, tags: Iterable[str] = (), domains: bool = True, tasks: bool = True
) -> tuple[DagFile, ...]:
    """Renders the DAG files of a project; writes nothing.

    Args:
        project: The project.
        tags: Only tables and tasks that have one of these; all when empty.
        domains: Whether files that load tables are wanted.
        tasks: Whether files that run tasks are wanted.

    Returns:
        The files, in the order of their names.

    Raises:
        StarlakeError: If a configuration or template does not exist or cannot be used, or if two files would have the
            same name.
    """
    templates, wanted = Templates(project), frozenset(tags)
    files: list[DagFile] = []
    if domains:
        files += load_files(project, templates, wanted)
    if tasks:
        files += task_files(project, templates, wanted)
    return distinct(files)
