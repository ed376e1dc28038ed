"""Staging before a load: files in the landing area are staged first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from dagster import Failure

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration.preload.files_check import FilesCheck
from ai.starlake.orchestration.preload.view import PreLoadView, ProjectView
from ai.starlake.project.findings import ProjectError

if TYPE_CHECKING:
    from dagster import OpExecutionContext

    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem


def stage_what_waits(build: AssetBuild, items: Sequence[ProjectItem], context: OpExecutionContext) -> None:
    """Stage the files of tables that wait in the landing area; run no command if there are none.

    Args:
        build: The commands, and whether files are staged.
        items: The tables, all of one domain.
        context: The context of the step.

    Raises:
        Failure: If the command fails, or if files wait in another folder than that of the option `incoming_path`.
    """
    if build.options.stage and _files_wait(build, items, context):
        build.runner.run(build.stage_command(items), items[0].full_name, context)


def _files_wait(build: AssetBuild, items: Sequence[ProjectItem], context: OpExecutionContext) -> bool:
    """Return True if files of tables wait, or if the landing area cannot be read from here and may contain some."""
    runner = build.runner
    domain = items[0].domain
    project = _project_of(build, context.run_id)
    view = PreLoadView(project, runner.dates(context), domain, runner.executor, runner.execution(context))
    try:
        tables = tuple(item.name for item in items)
        found = FilesCheck(tables, imported=True, base=build.settings.incoming_path).look(view)
    except ProjectError as error:
        context.log.info(f"{domain}: nothing is staged: {error}")
        return False
    except StarlakeError as error:
        context.log.warning(f"{domain}: files are staged without reading the landing area first: {error}")
        return True
    if found.error is not None:
        _require_nothing_elsewhere(build, tables, view, found.error)
        context.log.warning(f"{domain}: nothing is staged: {found.error}")
    return found.ready


def _require_nothing_elsewhere(
    build: AssetBuild, tables: tuple[str, ...], view: PreLoadView, error: StarlakeError
) -> None:
    """Refuse to load nothing while files wait in the landing area of the project, if the option names another folder.

    Raises:
        Failure: If files wait in the landing area of the project.
    """
    if build.settings.incoming_path is None:
        return
    try:
        waiting = FilesCheck(tables, imported=True, base=None).look(view)
    except StarlakeError:
        return  # the warning about the folder is enough
    if waiting.ready:
        raise Failure(f"{error}\n{waiting.reason}", allow_retries=False) from error


@lru_cache(maxsize=1)
def _project_of(build: AssetBuild, run_id: str) -> ProjectView:  # noqa: ARG001  the next run reads its files again
    """Return the project for the steps of a run: the steps in one process read it once."""
    return ProjectView(build.settings)
