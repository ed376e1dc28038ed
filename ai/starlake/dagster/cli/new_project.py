"""Files of a new project: the one of `starlake-embedded bootstrap`, as Dagster assets."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from jinja2 import StrictUndefined, Template

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.cli.bootstrap import files_below, template_files, write_files

ProjectExecutor = Literal["embedded", "shell", "warm", "dataproc", "cloud_run"]
_OF_GENERATED_FILES = "metadata/dags/"
_RENDERED = ".j2"


def make_project(folder: Path) -> tuple[Path, ...]:
    """Write a Starlake project without Dagster files; return its files.

    Raises:
        StarlakeError: If the folder is not empty, or cannot be written.
    """
    return _write(folder, _starlake_files())


def make_location(folder: Path, executor: ProjectExecutor) -> tuple[Path, ...]:
    """Write a Starlake project and a code location with its assets; return its files.

    Args:
        folder: The folder; created if it is missing.
        executor: The executor of the commands.

    Raises:
        StarlakeError: If the folder is not empty, or cannot be written.
    """
    return _write(folder, {**_starlake_files(), **_dagster_files(folder.absolute().name, executor)})


def _write(folder: Path, texts: dict[str, str]) -> tuple[Path, ...]:
    if folder.is_dir() and any(folder.iterdir()):
        raise StarlakeError(f"{folder} is not empty", fix="choose a new folder: nothing is ever overwritten")
    return write_files(folder, texts)


def _starlake_files() -> dict[str, str]:
    """Return the starter project, with rows that cause warnings, and without DAG configurations."""
    starter = {name: text for name, text in template_files().items() if not name.startswith(_OF_GENERATED_FILES)}
    return {**starter, **{name: text for name, text in _own_files().items() if not _is_rendered(name)}}


def _dagster_files(name: str, executor: ProjectExecutor) -> dict[str, str]:
    return {
        _name_of(template): Template(text, undefined=StrictUndefined, keep_trailing_newline=True).render(
            name=name, executor=executor
        )
        for template, text in _own_files().items()
        if _is_rendered(template)
    }


def _own_files() -> dict[str, str]:
    folder = files("ai.starlake.dagster.cli") / "templates" / "init"
    return {str(name): source.read_text(encoding="utf-8") for name, source in files_below(folder)}


def _is_rendered(name: str) -> bool:
    return name.endswith(_RENDERED)


def _name_of(template: str) -> str:
    name = template.removesuffix(_RENDERED)
    return f".{name}" if name == "gitignore" else name
