"""Checks of the schedules of tables and tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ai.starlake.common.crons import cron_problem
from ai.starlake.project.findings import Finding, nearest
from ai.starlake.project.models import BUILTIN_SCHEDULES, Table, Task
from ai.starlake.project.project import Project
from ai.starlake.project.reading.documents import Document, KeyPath
from ai.starlake.project.reading.domain_files import CONFIG


def check_schedules(project: Project, items: Iterable[Table | Task]) -> Iterator[Finding]:
    """Yield invalid schedules: Dagster refuses them, they never fire, or they are unknown presets.

    Args:
        project: The project, for its presets.
        items: The tables and tasks.
    """
    yield from _presets(project)
    presets = {*BUILTIN_SCHEDULES, *project.application.schedule_presets}
    for item in items:
        schedule = item.metadata.schedule if isinstance(item, Table) else item.schedule
        if schedule is None or schedule in presets or schedule.lower() == "none":
            continue
        document, path = _place(project, item)
        if schedule and not _is_expression(schedule):
            message = f"schedule: there is no preset {schedule}; {item.full_name} uses it"
            hint = nearest(schedule, presets) or "write a cron expression, or add it to schedulePresets"
            yield document.finding(path, message, hint)
            continue
        problem = cron_problem(schedule)
        if problem is not None:
            message = f"schedule: {schedule!r} of {item.full_name} is not a valid cron expression: {problem.cause}"
            yield document.finding(path, message, problem.fix)


def _is_expression(schedule: str) -> bool:
    """Return True if a schedule is a cron expression, with blanks or ``@``, rather than the name of a preset."""
    return any(char.isspace() for char in schedule) or schedule.startswith("@")


def _presets(project: Project) -> Iterator[Finding]:
    application = project.application
    for name, expression in application.schedule_presets.items():
        problem = cron_problem(expression)
        if problem is None or application.file is None:
            continue
        document = project.settings.store.read(application.file, "application").document
        message = f"schedulePresets: {expression!r} of {name} is not a valid cron expression: {problem.cause}"
        yield document.finding(("application", "schedulePresets", name), message, problem.fix)


def _place(project: Project, item: Table | Task) -> tuple[Document, KeyPath]:
    """Return the place of the schedule of a table or task: in its own file, else in that of its folder."""
    if item.file is None:  # created in memory
        return Document(project.settings.metadata, {}, {}), ()
    kind, path, shared, default = (
        ("table", ("table", "metadata", "schedule"), "load", ("load", "metadata", "schedule"))
        if isinstance(item, Table)
        else ("task", ("task", "schedule"), "transform", ("transform", "default", "schedule"))
    )
    store = project.settings.store
    own: Document = store.read(item.file, kind).document if _is_yaml(item) else Document(item.file, {}, {})
    if path in own.lines:
        return own, path
    folder = project.settings.metadata / shared / item.file.relative_to(project.settings.metadata / shared).parts[0]
    config = folder / CONFIG
    if not config.is_file():
        return own, path
    document = store.read(config, shared).document
    return document, _inline(document, item) or default


def _is_yaml(item: Table | Task) -> bool:
    return item.file is not None and item.file.name.endswith(".sl.yml") and item.file.name != CONFIG


def _inline(document: Document, item: Table | Task) -> KeyPath | None:
    """Return the place of a task's schedule in its folder's ``_config``."""
    tasks = (document.data.get("transform") or {}).get("tasks") or []
    for index, task in enumerate(tasks):
        path = ("transform", "tasks", index, "schedule")
        if isinstance(task, dict) and task.get("name") == item.name and path in document.lines:
            return path
    return None
