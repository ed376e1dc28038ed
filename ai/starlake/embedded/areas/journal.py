"""Journals of loads: planned file operations, written before they start, so that a killed load can be repaired.

The files of an ingestion and its rows must change together, but a file system has no part in a database's transactions.
So an ingestion first writes a journal, then moves its files to the ingesting area, then writes its rows and, in the
same transaction, a marker: an empty table named after the journal. Whoever finds a journal later, while holding the
database, knows the outcome: with the marker the rows are written and the files go to the archive; without it they are
not, and the files go back to the stage area. The marker is named like Starlake's own temporary tables. A journal
contains no absolute path, since the project may have moved when it is found.
"""

from __future__ import annotations

import json
import os
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.areas.area_files import give_back, move

if TYPE_CHECKING:
    from ai.starlake.embedded.warehouse.warehouse import Warehouse

_PREFIX = ".starlake-load-"
_MARKER = "zztmp_loaded_"
_PARTIAL = ".part"


@dataclass(frozen=True)
class Journal:
    """The files of one ingestion.

    Args:
        path: The journal's file, in the ingesting area of the domain.
        token: Name of the marker.
        database: The file of the target database; None if it has no file of its own.
        table: The full name of the table.
        stage: The stage area of the domain.
        names: The names of the files.
        archive: Folder for loaded files; None to delete them.
        replayed: True if the files come from the replay area, which `stage` is then; their names match no pattern.
    """

    path: Path
    token: str
    database: Path | None
    table: str
    stage: Path
    names: tuple[str, ...]
    archive: Path | None
    replayed: bool = False

    @classmethod
    def begin(
        cls,
        warehouse: Warehouse,
        table: str,
        files: tuple[Path, ...],
        ingesting: Path,
        archive: Path | None,
        *,
        replayed: bool = False,
    ) -> Journal:
        """Write the journal, then move the files to the ingesting area."""
        token = uuid.uuid4().hex
        ingesting.mkdir(parents=True, exist_ok=True)
        names = tuple(file.name for file in files)
        path = ingesting / f"{_PREFIX}{_owner(table)}{token}"
        journal = cls(path, token, warehouse.file, table, files[0].parent, names, archive, replayed)
        journal._write()
        try:
            for file in files:
                move(file, ingesting / file.name)
        except BaseException:
            journal.undo(lambda _name: True)
            raise
        return journal

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of the files during the ingestion."""
        return tuple(self.path.parent / name for name in self.names)

    def mark(self, warehouse: Warehouse) -> None:
        """Create the marker, in the transaction that writes the rows."""
        warehouse.mark(self._marker)

    def unmark(self, warehouse: Warehouse) -> None:
        """Remove the marker, if it exists."""
        warehouse.unmark(self._marker)

    def committed(self, warehouse: Warehouse) -> bool:
        """Return True if the transaction that writes the rows was committed."""
        return warehouse.is_marked(self._marker)

    @property
    def _marker(self) -> str:
        return _MARKER + self.token

    def finish(self, warehouse: Warehouse) -> None:
        """Move the files out of the ingesting area after their rows are committed."""
        for file in self.files:
            if not file.exists():
                continue
            if self.archive is None:
                file.unlink()
            else:
                move(file, self.archive / file.name)
        self.unmark(warehouse)
        self.path.unlink(missing_ok=True)  # last, so that there is never a marker without its journal

    def settle(self, warehouses: Sequence[Warehouse], fits: Callable[[str], bool]) -> bool:
        """Move the files to their folder, depending on whether the rows are committed.

        Args:
            warehouses: The warehouses that may contain the rows.
            fits: Returns True if a name belongs to the table.

        Returns:
            True if the rows are committed and the files moved to the archive; False if they moved back to the stage
            area.
        """
        for warehouse in warehouses:
            if self.committed(warehouse):
                self.finish(warehouse)
                return True
        self.undo(fits)
        return False

    def undo(self, fits: Callable[[str], bool]) -> None:
        """Move the files back; `fits` returns True if a name belongs to the table."""
        for file in self.files:
            if file.exists():
                give_back(file, self.stage, fits=fits if not self.replayed else lambda _name: True)
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        content: dict[str, object] = {
            "token": self.token,
            "database": None if self.database is None else os.path.relpath(self.database, self.path.parent),
            "table": self.table,
            "names": list(self.names),
        }
        if self.replayed:
            content["replay"] = os.path.relpath(self.stage, self.path.parent)
        partial = self.path.with_name(f"{self.path.name}{_PARTIAL}")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)


def _owner(table: str) -> str:
    """Return the prefix of the names of a table's journals: it names the owner of a journal that cannot be read."""
    return f"{zlib.crc32(table.encode()):08x}-"


def has_journals(ingesting: Path) -> bool:
    """Return True if ingestions left journals behind, or are running."""
    return ingesting.is_dir() and any(path.name.startswith(_PREFIX) for path in ingesting.iterdir())


def forget_unwritten(ingesting: Path, table: str) -> None:
    """Delete the incompletely written journals of a table: no file was moved yet.

    No ingestion into the table may be running.
    """
    for path in ingesting.glob(f"{_PREFIX}{_owner(table)}*{_PARTIAL}"):
        path.unlink()


def unfinished(ingesting: Path, stage: Path, archive: Path | None) -> Iterator[Journal]:
    """Yield the journals of interrupted and running ingestions.

    Args:
        ingesting: The ingesting area of a domain.
        stage: Its stage area.
        archive: Folder for loaded files; None if they are deleted.

    Raises:
        StarlakeError: If a journal cannot be read.
    """
    for path in sorted(ingesting.glob(f"{_PREFIX}*")):
        if path.suffix == _PARTIAL:
            continue
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            database = content["database"]
            where = None if database is None else Path(os.path.normpath(path.parent / database))
            replay = content.get("replay")
            home = stage if replay is None else Path(os.path.normpath(path.parent / replay))
            names, is_replay = tuple(content["names"]), replay is not None
            yield Journal(path, content["token"], where, content["table"], home, names, archive, is_replay)
        except FileNotFoundError:  # its load has ended since
            continue
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise StarlakeError(
                f"{path} cannot be read",
                cause=f"it lists the files that a load was loading: {error}",
                fix=f"move those files that are not loaded yet to {stage}, then delete it",
            ) from error
