"""What a load is doing to files, written down before it does it, so that a killed load can be put right.

The files of an ingestion and its rows must change together, and a file system knows nothing of a database's
transactions. So an ingestion first writes a journal, then moves its files to the ingesting area, then writes its rows
and, in the same transaction, a marker: an empty table named after the journal. Whoever finds a journal later, while
holding the database, can tell what happened: with the marker the rows are there and the files go to the archive;
without it they are not, and the files go back to the stage area. The marker is named like Starlake's own temporary
tables.
"""

from __future__ import annotations

import json
import os
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.embedded.files import give_back, move
from ai.starlake.embedded.sql import qualified

if TYPE_CHECKING:
    from ai.starlake.embedded.connection import Database

_PREFIX = ".starlake-load-"
_MARKER = "zztmp_loaded_"
_PARTIAL = ".part"


@dataclass(frozen=True)
class Journal:
    """One ingestion's files.

    Args:
        path: The journal's file, in the ingesting area of the domain.
        token: What names the marker.
        database: The database that the rows go to.
        table: The full name of the table.
        stage: The stage area of the domain.
        names: The names of the files.
        archive: Where the files go once loaded, None when they are deleted.
    """

    path: Path
    token: str
    database: str
    table: str
    stage: Path
    names: tuple[str, ...]
    archive: Path | None

    @classmethod
    def begin(
        cls, database: Database, table: str, files: tuple[Path, ...], ingesting: Path, archive: Path | None
    ) -> Journal:
        """Writes the journal, then moves the files to the ingesting area."""
        token = uuid.uuid4().hex
        ingesting.mkdir(parents=True, exist_ok=True)
        names = tuple(file.name for file in files)
        journal = cls(
            ingesting / f"{_PREFIX}{token}", token, str(database.path), table, files[0].parent, names, archive
        )
        journal._write()
        for file in files:
            move(file, ingesting / file.name)
        return journal

    @property
    def files(self) -> tuple[Path, ...]:
        """Where the files are during the ingestion."""
        return tuple(self.path.parent / name for name in self.names)

    def mark(self, database: Database) -> None:
        """Leaves the marker; to be called in the transaction that writes the rows."""
        database.execute(f"CREATE TABLE {self._marker(database)} (loaded BOOLEAN)")

    def unmark(self, database: Database) -> None:
        """Drops the marker, if there is one."""
        database.connection.execute(f"DROP TABLE IF EXISTS {self._marker(database)}")

    def committed(self, database: Database) -> bool:
        """Whether the transaction that writes the rows took place."""
        query = "SELECT count(*) FROM duckdb_tables() WHERE (database_name, schema_name, table_name) = (?, 'main', ?)"
        found = database.connection.execute(query, [database.catalog, _MARKER + self.token])  # also when interrupted
        return found.fetchall() != [(0,)]

    def _marker(self, database: Database) -> str:
        return qualified(database.catalog, "main", _MARKER + self.token)

    def finish(self, database: Database) -> None:
        """Takes the files out of the ingesting area once their rows are committed."""
        for file in self.files:
            if not file.exists():
                continue
            if self.archive is None:
                file.unlink()
            else:
                move(file, self.archive / file.name)
        self.unmark(database)
        self.path.unlink(missing_ok=True)  # last, so that there is never a marker without its journal

    def settle(self, database: Database, fits: Callable[[str], bool]) -> bool:
        """Puts the files where they belong, by what became of the rows.

        Returns:
            Whether the rows are committed, so that the files went to the archive and not back to the stage area.
        """
        committed = self.committed(database)
        if committed:
            self.finish(database)
        else:
            self.undo(fits)
        return committed

    def undo(self, fits: Callable[[str], bool]) -> None:
        """Takes the files back to the stage area; `fits` says whether a name is still one of the table's."""
        for file in self.files:
            if file.exists():
                give_back(file, self.stage, fits=fits)
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        content = {
            "token": self.token,
            "database": self.database,
            "table": self.table,
            "stage": str(self.stage),
            "names": list(self.names),
            "archive": None if self.archive is None else str(self.archive),
        }
        partial = self.path.with_name(f"{self.path.name}{_unwritten(self.database)}")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)


def _unwritten(database: str) -> str:
    """How the name of a journal ends while it is written: it tells whose it is before it can be read."""
    return f".{zlib.crc32(database.encode()):08x}{_PARTIAL}"


def unfinished(ingesting: Path, database: Path | None) -> Iterator[Journal]:
    """The journals that ingestions into a database left behind; it must be held, so that none is still running."""
    if not ingesting.is_dir():
        return
    for path in ingesting.glob(f"{_PREFIX}*{_unwritten(str(database))}"):
        path.unlink()  # killed while it was written, before any file was moved
    for path in sorted(ingesting.glob(f"{_PREFIX}*")):
        if path.suffix == _PARTIAL:
            continue
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["database"] == str(database):
            archive = content["archive"]
            yield Journal(
                path,
                content["token"],
                content["database"],
                content["table"],
                Path(content["stage"]),
                tuple(content["names"]),
                None if archive is None else Path(archive),
            )
