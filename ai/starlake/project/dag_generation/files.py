"""The files that a generation makes, and how they get to disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ai.starlake.common import StarlakeError
from ai.starlake.project.project import Project


@dataclass(frozen=True)
class DagFile:
    """A generated file.

    Attributes:
        name: Its path below the output folder.
        text: Its content.
        source: What it is made for, for error messages.
        jobs: The names of the jobs that it makes in Dagster, as far as they are known.
        makes: The full names of the tables that these jobs make.
    """

    name: str
    text: str
    source: str
    jobs: tuple[str, ...] = ()
    makes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuses names that lead out of the output folder (contract 3.8)."""
        path = PurePosixPath(self.name)
        if not self.name.strip() or path.is_absolute() or ".." in path.parts or "\0" in self.name:
            raise StarlakeError(
                f"{self.source}: the filename becomes {self.name!r}",
                cause="a generated file stays in the output folder",
                fix="use a relative filename without .. in metadata/dags",
            )


def distinct(files: Iterable[DagFile]) -> tuple[DagFile, ...]:
    """The files in the order of their names.

    Raises:
        StarlakeError: If two of them have the same name, so that one would be lost.
    """
    known: dict[str, DagFile] = {}
    for file in files:
        other = known.setdefault(file.name, file)
        if other is not file:
            raise StarlakeError(
                f"{other.source} and {file.source} both make the file {file.name}",
                cause="the second would overwrite the first",
                fix="use {{domain}}, {{table}}, {{task}} or {{schedule}} in the filename, so that each has its own",
            )
    return tuple(known[name] for name in sorted(known))


def write_files(project: Project, files: Sequence[DagFile], folder: Path, *, clean: bool = False) -> tuple[Path, ...]:
    """Writes generated files.

    Args:
        project: The project that they are generated from.
        files: The files.
        folder: The output folder; made when it is not there.
        clean: Whether all that is in the folder is deleted first.

    Returns:
        The paths, in the order of the files.

    Raises:
        StarlakeError: If the folder cannot be cleaned without deleting the project, or if a file cannot be written.
    """
    if clean:
        _clean(project, folder)
    written = []
    for file in files:
        path = folder / file.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
        except OSError as error:
            raise StarlakeError(f"{path} cannot be written", cause=error.strerror or str(error)) from error
        written.append(path)
    return tuple(written)


def _clean(project: Project, folder: Path) -> None:
    resolved = folder.resolve()
    dags = project.settings.folder("dags", "SL_DAGS")
    kept = [project.root, project.settings.metadata, project.areas.path("incoming"), dags, Path.home()]
    precious = next((each for each in kept if each.resolve().is_relative_to(resolved)), None)
    if precious is not None:
        raise StarlakeError(
            f"{folder} cannot be cleaned", cause=f"{precious} is in it", fix="choose a folder for generated files only"
        )
    try:
        shutil.rmtree(folder, ignore_errors=not folder.exists())
    except OSError as error:
        raise StarlakeError(f"{folder} cannot be cleaned", cause=str(error)) from error
