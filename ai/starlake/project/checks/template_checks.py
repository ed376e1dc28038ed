"""Find undefined variables in a project's templates, also in branches that are not taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.project.findings import Finding, ProjectError, attempt
from ai.starlake.project.models import Table, Task
from ai.starlake.project.paths import read_metadata
from ai.starlake.project.project import Project
from ai.starlake.project.reading.domain_files import SUFFIX
from ai.starlake.project.reading.store import Store
from ai.starlake.project.settings import macro_files
from ai.starlake.project.templating.renderer import RUN_TIME, Renderer
from ai.starlake.project.templating.rendering import environment, macros_of

_SQL = (".sql", ".sql.j2")


def undefined_names(project: Project, items: Iterable[Table | Task]) -> list[Finding]:
    """Return the findings about undefined names in the templates of a project.

    A name that any env file defines is valid: the branch that uses it may be for another profile.

    Args:
        project: The project.
        items: Its tables and tasks, for their expectations.
    """
    findings: list[Finding] = []
    broken: list[Finding] = []
    macros = attempt(lambda: macros_of(project.macros, project.environment).by_name, broken) or {}
    known = {*project.environment, *RUN_TIME, *macros, *environment().globals, *_of_profiles(project)}
    for file in _templates(project):
        text = attempt(partial(read_metadata, file), findings)
        if text is not None:
            attempt(partial(_check, project.settings.renderer, text, file, known), findings)
    if broken:
        return findings or broken
    for item in items:
        for number, each in enumerate(item.expectations):
            attempt(partial(_expectation, project, item, number, each.call), findings)
    return findings


def _check(renderer: Renderer, text: str, file: Path, known: set[str]) -> None:
    from ai.starlake.project.templating.guards import needed

    try:
        found = needed(text, label=str(file))
    except StarlakeError as error:
        raise ProjectError.of_file(file, error) from error
    names = {name: used for name, used in found.items() if name not in known}
    if names:
        renderer.tell(names, known, file, label=str(file))


def _expectation(project: Project, item: Table | Task, number: int, call: str) -> None:
    label = f"the expectation {call} of {item.full_name}"
    try:
        project.render(f"{{{{ {call} }}}}", macros=True, label=label, file=item.file, planned=True)
    except ProjectError:
        raise
    except StarlakeError as error:
        if item.file is None:
            raise
        root = "task" if isinstance(item, Task) else "table"
        document = project.settings.store.read(item.file, root).document
        message = error.culprit.replace(f"{label}:1:", f"{label}:")  # its line within a one-line template
        path = (root, "expectations", number, "expect")
        raise ProjectError([document.finding(path, message, error.fix or "")]) from error


def _templates(project: Project) -> Iterator[Path]:
    settings = project.settings
    for folder in (settings.metadata / "load", settings.metadata / "transform", settings.folder("types", "SL_TYPES")):
        yield from (file for file in sorted(folder.rglob("*")) if file.name.endswith((SUFFIX, *_SQL)))
    yield from macro_files(settings)


def _of_profiles(project: Project) -> Iterator[str]:
    """Yield the names that the env files of all profiles define."""
    for file in sorted(project.settings.metadata.glob(f"env.*{SUFFIX}")):
        content = attempt(partial(Store(Renderer({})).read, file, "env", rendered=False), [])
        data: Mapping[str, Any] = content.data if content is not None and isinstance(content.data, dict) else {}
        yield from data
