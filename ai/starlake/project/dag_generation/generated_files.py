"""Generated files: validated, and written to a folder without losing edits of others."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from pathlib import Path, PurePosixPath

from ai.starlake.common import StarlakeError
from ai.starlake.project.project import Project

RECORD = ".starlake-dagster.json"
"""File with a record of generated files: a hash of each file by its path."""

_BUILD = ".build"
"""Starlake's project folder for generated files. Like Starlake, we write only these to it."""


@dataclass(frozen=True)
class DagFile:
    """A generated file.

    Attributes:
        name: Its path below the output folder.
        text: Its content.
        source: Its source, for error messages.
        jobs: The names of its jobs in Dagster, as far as they are known.
        makes: The full names of the tables of these jobs.
        orchestrator: Its orchestrator, such as ``dagster``; None if its template does not name one.
    """

    name: str
    text: str
    source: str
    jobs: tuple[str, ...] = ()
    makes: frozenset[str] = frozenset()
    orchestrator: str | None = None

    def __post_init__(self) -> None:
        """Refuse names outside of the output folder."""
        path = PurePosixPath(self.name)
        if not self.name.strip() or path.is_absolute() or ".." in path.parts or "\0" in self.name:
            raise StarlakeError(
                f"{self.source}: the filename becomes {self.name!r}",
                cause="a generated file stays in the output folder",
                fix="use a relative filename without .. in metadata/dags",
            )


def distinct(files: Iterable[DagFile]) -> tuple[DagFile, ...]:
    """Return the files in the order of their names.

    Raises:
        StarlakeError: If two of them have the same name.
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


def check_syntax(files: Iterable[DagFile]) -> None:
    """Check that files with names in ``.py`` are valid Python; nothing is executed.

    Args:
        files: Generated files, which need not exist on disk.

    Raises:
        StarlakeError: If one is invalid. The usual cause is an unquoted value in a template of the project.
    """
    for file in files:
        if not file.name.endswith(".py"):
            continue
        try:
            ast.parse(file.text, file.name)
        except (SyntaxError, ValueError) as error:
            number = getattr(error, "lineno", None) or 0
            line = file.text.splitlines()[number - 1].strip() if 0 < number <= file.text.count("\n") else ""
            raise StarlakeError(
                f"{file.source}: line {number} of {file.name} is not valid Python: {line}",
                cause=getattr(error, "msg", None) or str(error),
                fix="correct the template; {{ value | literal }} writes a value so that no quote in it does harm",
            ) from error


class FileChange(str, Enum):
    """Change of a file."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    KEPT = "kept"
    """The file is no longer generated, but was edited, so it is kept."""


@dataclass(frozen=True)
class FileStep:
    """One change of one file.

    Attributes:
        name: Its path below the output folder.
        change: The change.
        text: Its content; None for a file that is not generated.
        source: Its source; empty for a file that is not generated.
        orchestrator: Its orchestrator; see `DagFile`.
        foreign: True if the file on disk was not generated, or was edited: a change or removal loses its content.
    """

    name: str
    change: FileChange
    text: str | None = None
    source: str = ""
    orchestrator: str | None = None
    foreign: bool = False

    @property
    def loses(self) -> bool:
        """True if the step loses edits of others."""
        return self.foreign and self.change in (FileChange.CHANGED, FileChange.REMOVED)


@dataclass(frozen=True)
class _Record:
    """Generated files of a folder.

    Args:
        hashes: The hash of each file, by its name.
        orchestrators: The orchestrator of each file whose template names one, by its name.
    """

    hashes: Mapping[str, str] = field(default_factory=dict)
    orchestrators: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, content: bytes) -> _Record:
        """Read a record; raise an error if it is damaged."""
        found = json.loads(content)
        hashes = {DagFile(name, "", RECORD).name: str(hashed) for name, hashed in found["generated"].items()}
        return cls(hashes, {name: str(given) for name, given in found.get("orchestrators", {}).items()})

    @property
    def text(self) -> str:
        """The content of the file."""
        content = {"generated": self.hashes, **({"orchestrators": self.orchestrators} if self.orchestrators else {})}
        return json.dumps(content, indent=2, sort_keys=True) + "\n"

    def of_others(self, orchestrator: str) -> set[str]:
        """Return the names of the files of other orchestrators."""
        return {name for name, given in self.orchestrators.items() if given != orchestrator}


class GeneratedFolder:
    """A folder for generated files.

    Unchanged files are not written. Only generated files are replaced or removed, and only if they were not edited,
    unless that is requested: `record` contains what was written. It is in the folder, or beside the folder `.build` of
    the project.

    Args:
        folder: The folder; created on the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = (folder.parents[1] if folder.parent.name == _BUILD else folder) / RECORD

    def plan(
        self,
        files: Sequence[DagFile],
        *,
        clean: bool = False,
        force: bool = False,
        emptied_for: Project | None = None,
        orchestrator: str | None = None,
    ) -> tuple[FileStep, ...]:
        """Return the changes that writing files would make; change nothing.

        Args:
            files: The files.
            clean: Remove files that were generated earlier, and are not among these.
            force: Replace files of others and edited files, and remove edited ones.
            emptied_for: With ``clean``, remove all other files of the folder too, like Starlake, unless that would
                delete a part of this project.
            orchestrator: With ``clean``, keep the files of other orchestrators.

        Returns:
            The steps in the order of the files, then the removals in the order of their names.

        Raises:
            StarlakeError: If a file of others or an edited file would be replaced without `force`; if the folder cannot
                be read, or cannot be emptied without deleting the project.
        """
        if clean and emptied_for:
            _check_may_be_emptied(self.folder, emptied_for)
        record = self._read_record(damaged_is_empty=force)
        try:
            steps = [self._step(file, record.hashes) for file in files]
            if clean:
                known = {file.name for file in files}
                kept = record.of_others(orchestrator) if orchestrator else set()
                steps += self._removals(record.hashes, known | kept, force=force)
                if emptied_for:
                    steps += self._others(known | record.hashes.keys())
        except OSError as error:
            raise StarlakeError(f"{self.folder} cannot be read", cause=str(error)) from error
        lost = [step.name for step in steps if step.loses]
        if lost and not force:
            raise StarlakeError(
                f"{self.folder}: {', '.join(lost)} would be replaced",
                cause="it was written by others, or edited after it was generated",
                fix="generate into another folder, or say --force to replace it",
            )
        return tuple(steps)

    def carry_out(self, steps: Sequence[FileStep]) -> None:
        """Write and remove files.

        Args:
            steps: The result of `plan`.

        Raises:
            StarlakeError: If a file cannot be written or removed.
        """
        record = self._read_record(damaged_is_empty=True)  # `plan` has already refused a damaged record
        hashes, orchestrators = dict(record.hashes), dict(record.orchestrators)
        try:
            for step in sorted(steps, key=lambda step: step.text is not None):  # a removal may free the name of a file
                path = self.folder / step.name
                orchestrators.pop(step.name, None)
                if step.text is None:
                    hashes.pop(step.name, None)
                    if step.change is FileChange.REMOVED:
                        _remove(path, self.folder)
                    continue
                hashes[step.name] = _hash(step.text.encode())
                if step.orchestrator:
                    orchestrators[step.name] = step.orchestrator
                if step.change is not FileChange.UNCHANGED:
                    _replace(path, step.text)
            text = _Record(hashes, orchestrators).text
            if steps and _read(self.record) != text.encode():
                _replace(self.record, text)
        except OSError as error:
            raise StarlakeError(f"{self.folder} cannot be written to", cause=str(error)) from error

    def _step(self, file: DagFile, written: Mapping[str, str]) -> FileStep:
        before = _read(self.folder / file.name)
        if before is None:
            return FileStep(file.name, FileChange.NEW, file.text, file.source, file.orchestrator)
        change = FileChange.UNCHANGED if before == file.text.encode() else FileChange.CHANGED
        foreign = written.get(file.name) != _hash(before)
        return FileStep(file.name, change, file.text, file.source, file.orchestrator, foreign=foreign)

    def _removals(self, written: Mapping[str, str], wanted: set[str], *, force: bool) -> Iterator[FileStep]:
        for name, hashed in sorted(written.items()):
            before = _read(self.folder / name)
            if name not in wanted and before is not None:
                edited = _hash(before) != hashed
                yield FileStep(name, FileChange.KEPT if edited and not force else FileChange.REMOVED, foreign=edited)

    def _others(self, known: set[str]) -> Iterator[FileStep]:
        """Yield the removal of all files that neither are nor were generated."""
        found = {path.relative_to(self.folder).as_posix() for path in _files(self.folder)}
        for name in sorted(found - known - {RECORD}):
            yield FileStep(name, FileChange.REMOVED, foreign=True)

    def _read_record(self, *, damaged_is_empty: bool) -> _Record:
        content = _read(self.record)
        if content is None:
            return _Record()
        try:
            return _Record.read(content)
        except (ValueError, LookupError, TypeError, AttributeError, StarlakeError) as error:
            if damaged_is_empty:
                return _Record()
            raise StarlakeError(
                f"{self.record} is damaged",
                cause=str(error),
                fix="delete it; edited files are then not distinguished from generated ones",
            ) from error


def _check_may_be_emptied(folder: Path, project: Project) -> None:
    resolved = folder.resolve()
    dags = project.settings.folder("dags", "SL_DAGS")
    kept = [project.root, project.settings.metadata, project.areas.path("incoming"), dags, Path.home()]
    precious = next((each for each in kept if each.resolve().is_relative_to(resolved)), None)
    if precious is not None:
        raise StarlakeError(
            f"{folder} cannot be cleaned", cause=f"{precious} is in it", fix="choose a folder for generated files only"
        )


def _files(folder: Path) -> Iterator[Path]:
    """Yield the contents of a folder, at any depth: files, links, and folders of compiled Python as a whole."""
    for root, folders, names in os.walk(folder):
        whole = [name for name in folders if name == "__pycache__" or (Path(root) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in whole]
        yield from (Path(root) / name for name in (*names, *whole))


def _remove(path: Path, folder: Path) -> None:
    """Remove a file, and its parent folders if they become empty."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    for parent in path.parents:
        if parent == folder or any(parent.iterdir()):
            break
        parent.rmdir()


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _replace(path: Path, text: str) -> None:
    """Write a file atomically: Dagster may load it at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(text.encode())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
