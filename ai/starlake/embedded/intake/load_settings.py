"""Settings of tables with which no file can be loaded; they are checked before a file is moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ai.starlake.common import PermanentError
from ai.starlake.embedded.checking.privacy import algorithm
from ai.starlake.embedded.intake.formats import format_of
from ai.starlake.embedded.intake.formats.reader_options import WrongSetting
from ai.starlake.embedded.warehouse.merge import require
from ai.starlake.project import Finding, Project, ProjectError, Table
from ai.starlake.project.findings import attempt


def setting_findings(project: Project, table: Table) -> list[Finding]:
    """Return the settings of a table that the engine cannot use, with file and line.

    What is wrong for Starlake too is found earlier, when the table is read.

    Args:
        project: The project.
        table: A table of it.
    """
    reader = project.domain_reader
    found = (*_of_files(table), *_of_attributes(table), *_of_strategy(project, table))
    return [reader.finding(table, each.path, each.message, each.fix) for each in found]


def settings_findings(project: Project) -> Iterator[Finding]:
    """Yield such settings of all tables whose metadata is valid otherwise.

    Args:
        project: The project.
    """
    reader = project.domain_reader
    for folder in reader.all():
        for stem in reader.folder(folder).files:
            table = attempt(partial(reader.table, folder, stem), [])
            yield from setting_findings(project, table) if table is not None else ()


def require_settings(project: Project, table: Table) -> None:
    """Refuse a table with settings that the engine cannot use.

    Args:
        project: The project.
        table: A table of it.

    Raises:
        ProjectError: If there are any.
    """
    findings = setting_findings(project, table)
    if findings:
        raise ProjectError(findings)


def _of_files(table: Table) -> Iterator[WrongSetting]:
    unread = list(_refused(partial(format_of, table), "metadata", "format"))
    yield from unread or format_of(table).wrong_settings(table)


def _of_attributes(table: Table) -> Iterator[WrongSetting]:
    for place, attribute in enumerate(table.attributes):
        yield from _refused(partial(algorithm, attribute), "attributes", place, "privacy")


def _of_strategy(project: Project, table: Table) -> Iterator[WrongSetting]:
    strategy, partition = table.metadata.write_strategy, table.metadata.sink.partition
    for name in strategy.names:
        chosen = strategy.model_copy(update={"type": name, "types": {}})
        check = partial(require, chosen, project.write_strategy_templates, partition, table.full_name)
        yield from _refused(check, "metadata", "writeStrategy", "type")


def _refused(check: Callable[[], object], *path: str | int) -> Iterator[WrongSetting]:
    """Yield the error of a check as a wrong setting."""
    try:
        check()
    except PermanentError as error:
        yield WrongSetting(path, ": ".join(filter(None, (error.culprit, error.cause))), error.fix or "")
