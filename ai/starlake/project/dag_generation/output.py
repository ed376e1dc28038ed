"""Generated files on disk: what would change, and changing it without losing what somebody else wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.project.dag_generation.files import DagFile

RECORD = ".starlake-dagster.json"
"""The file of an output folder that says what was generated into it: a hash of each file by its path."""


class Change(str, Enum):
    """What happens to a file."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    KEPT = "kept"
    """It is not generated any more, but was edited since it was, so that it stays."""


@dataclass(frozen=True)
class Step:
    """What happens to one file.

    Attributes:
        name: Its path below the output folder.
        change: What happens to it.
        text: Its content; None for a file that is not generated.
        source: What it is made for; empty for a file that is not generated.
    """

    name: str
    change: Change
    text: str | None = None
    source: str = ""


class Output:
    """A folder that files are generated into.

    Unchanged files are not touched. Only files that were generated into it are replaced or removed, and only as long as
    nobody has edited them: `RECORD` remembers what was written.

    Args:
        folder: The folder; made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def plan(self, files: Sequence[DagFile], *, clean: bool = False, force: bool = False) -> tuple[Step, ...]:
        """What writing files would do; changes nothing.

        Args:
            files: The files.
            clean: Whether files that were generated earlier, and are not among these, are removed.
            force: Whether files are replaced that somebody else has written, or edited.

        Returns:
            The steps in the order of the files, then the removals in the order of their names.

        Raises:
            StarlakeError: If a file would be replaced that somebody else has written or edited, and `force` does not
                allow it; if the folder cannot be read.
        """
        written = self._written()
        try:
            steps = [self._step(file) for file in files]
            replaced = [step.name for step in steps if step.change is Change.CHANGED]
            foreign = [name for name in replaced if not self._is_ours(name, written)]
            if clean:
                steps += self._removals(written, {file.name for file in files})
        except OSError as error:
            raise StarlakeError(f"{self.folder} cannot be read", cause=str(error)) from error
        if foreign and not force:
            raise StarlakeError(
                f"{self.folder}: {', '.join(foreign)} would be replaced",
                cause="somebody else has written it, or edited it since it was generated",
                fix="generate into another folder, or say --force to replace it",
            )
        return tuple(steps)

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Writes and removes files.

        Args:
            steps: What `plan` returned.

        Raises:
            StarlakeError: If a file cannot be written or removed.
        """
        written = dict(self._written())
        try:
            for step in steps:
                path = self.folder / step.name
                if step.text is None:
                    written.pop(step.name, None)
                    if step.change is Change.REMOVED:
                        path.unlink(missing_ok=True)
                    continue
                written[step.name] = _hash(step.text.encode())
                if step.change is not Change.UNCHANGED:
                    _replace(path, step.text)
            text = json.dumps({"generated": written}, indent=2, sort_keys=True) + "\n"
            if steps and _read(self.folder / RECORD) != text.encode():
                _replace(self.folder / RECORD, text)
        except OSError as error:
            raise StarlakeError(f"{self.folder} cannot be written to", cause=str(error)) from error

    def _step(self, file: DagFile) -> Step:
        before = _read(self.folder / file.name)
        change = Change.NEW if before is None else Change.CHANGED
        if before == file.text.encode():
            change = Change.UNCHANGED
        return Step(file.name, change, file.text, file.source)

    def _is_ours(self, name: str, written: Mapping[str, str]) -> bool:
        before = _read(self.folder / name)
        return before is not None and written.get(name) == _hash(before)

    def _removals(self, written: Mapping[str, str], wanted: set[str]) -> Iterator[Step]:
        for name, hashed in sorted(written.items()):
            before = _read(self.folder / name)
            if name not in wanted and before is not None:
                yield Step(name, Change.REMOVED if _hash(before) == hashed else Change.KEPT)

    def _written(self) -> Mapping[str, str]:
        """The hashes of the files that were generated; names that lead out of the folder do not count."""
        content = _read(self.folder / RECORD)
        if content is None:
            return {}
        try:
            known: dict[str, str] = json.loads(content)["generated"]
            return {DagFile(name, "", RECORD).name: str(hashed) for name, hashed in known.items()}
        except (ValueError, LookupError, TypeError, AttributeError, StarlakeError) as error:
            raise StarlakeError(
                f"{self.folder / RECORD} is damaged",
                cause=str(error),
                fix="delete it; files that were edited are then not told from those that were generated",
            ) from error


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _replace(path: Path, text: str) -> None:
    """Writes a file as a whole or not at all: Dagster may load it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(text.encode())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
