"""``bootstrap``: a small project that runs, to start from."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.cli.output_file import write

if TYPE_CHECKING:
    from importlib.abc import Traversable

DEFAULT = "starter"
_MOST_NAMED = 10


def templates() -> tuple[str, ...]:
    """Return the names of the projects that there are to start from."""
    return tuple(sorted(each.name for each in _folder().iterdir() if each.is_dir()))


def bootstrap(folder: Path, template: str = DEFAULT) -> tuple[Path, ...]:
    """Write a project.

    Args:
        folder: The project's folder; made when it is not there.
        template: One of `templates`.

    Returns:
        The files that were written.

    Raises:
        StarlakeError: If there is no such template, or if a file of it is there already; nothing is written then.
    """
    if template not in templates():
        raise StarlakeError(f"there is no template {template}", fix=f"use one of {', '.join(templates())}")
    content = {folder / name: source for name, source in _files(_folder() / template, PurePosixPath())}
    there = [str(target) for target in content if target.exists()]
    if there:
        more = f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else ""
        raise StarlakeError(
            f"{folder} holds files already that the project would overwrite",
            cause=", ".join(there[:_MOST_NAMED]) + more,
            fix="choose another folder with --project-location",
        )
    for target, source in content.items():
        write(target, source.read_text(encoding="utf-8"))
    return tuple(content)


def _folder() -> Traversable:
    return files("ai.starlake.embedded.cli") / "templates"


def _files(folder: Traversable, above: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = above / each.name
        if each.is_file():
            yield name, each
        elif each.name != "__pycache__":
            yield from _files(each, name)
