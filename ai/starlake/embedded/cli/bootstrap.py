"""``bootstrap``: a small runnable project to start from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.embedded.cli.output_file import write

if TYPE_CHECKING:
    from importlib.abc import Traversable

DEFAULT = "starter"
_MOST_NAMED = 10
_TOP = PurePosixPath()


def templates() -> tuple[str, ...]:
    """Return the names of the project templates."""
    return tuple(sorted(each.name for each in _folder().iterdir() if each.is_dir()))


def bootstrap(folder: Path, template: str = DEFAULT) -> tuple[Path, ...]:
    """Write a project.

    Args:
        folder: The project's folder; created if it is missing.
        template: One of `templates`.

    Returns:
        The files that were written.

    Raises:
        StarlakeError: If there is no such template, or if one of its files exists; nothing is written then.
    """
    files = template_files(template)
    there = [str(folder / name) for name in files if (folder / name).exists()]
    if there:
        more = f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else ""
        raise StarlakeError(
            f"{folder} holds files already that the project would overwrite",
            cause=", ".join(there[:_MOST_NAMED]) + more,
            fix="choose another folder with --project-location",
        )
    return write_files(folder, files)


def template_files(template: str = DEFAULT) -> dict[str, str]:
    """Return the contents of the files of a template, by their paths in the project.

    Raises:
        StarlakeError: If there is no such template.
    """
    if template not in templates():
        raise PermanentError(f"there is no template {template}", fix=f"use one of {', '.join(templates())}")
    return {str(name): source.read_text(encoding="utf-8") for name, source in files_below(_folder() / template)}


def write_files(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    """Write files to a folder, which is created if it is missing.

    Raises:
        StarlakeError: If one cannot be written.
    """
    for name, text in texts.items():
        write(folder / name, text)
    return tuple(folder / name for name in texts)


def _folder() -> Traversable:
    return files("ai.starlake.embedded.cli") / "templates"


def files_below(folder: Traversable, above: PurePosixPath = _TOP) -> Iterator[tuple[PurePosixPath, Traversable]]:
    """Yield the files of a folder of package data, with their paths within it."""
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = above / each.name
        if each.is_file():
            yield name, each
        elif each.name != "__pycache__":
            yield from files_below(each, name)
