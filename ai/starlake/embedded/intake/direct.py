"""Rows that go from files to their table without an intermediate copy; rejects are counted on the way.

The errors of rejected rows are read afterwards, and only if there are any.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.embedded.checking.python_functions import teach
from ai.starlake.embedded.checking.validation import ERROR_COLUMN, PLACE_COLUMN
from ai.starlake.embedded.intake.accepted import AcceptedRows
from ai.starlake.embedded.intake.incoming import STAGED_TABLE, ReadFacts, StagedRows, into_staged, lines_of_rejects
from ai.starlake.embedded.intake.reading import batches, checked_query, raw_rows

if TYPE_CHECKING:
    from ai.starlake.embedded.checking.raw_rows import RawRows
    from ai.starlake.embedded.checking.validation import Validator
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.project import Table

_COUNTER = "zztmp_rejected"
_FIRST_ROWS = 100_000
"""Number of rows that are read again to find the first rejects, before all are read."""


class DirectRows(AcceptedRows):
    """Rows that are read, checked and written by one statement.

    Args:
        database: The database that reads and writes them.
        table: The target table.
        validator: Checks the rows.
        files: The files that contain them.

    Attributes:
        warnings: Problems of the files that lose no row.
    """

    def __init__(self, database: Database, table: Table, validator: Validator, files: tuple[Path, ...]) -> None:
        super().__init__(table, validator, files)
        self._database = database
        self._query = ""
        self.warnings: list[str] = []

    @property
    def source(self) -> str:
        """SQL after FROM. A sequence counts the rows that it leaves out."""
        counted = f"nextval('temp.main.{_COUNTER}') < 0"
        return f"({self._query}) WHERE CASE WHEN {ERROR_COLUMN} = '' THEN true ELSE {counted} END"

    def selects(self) -> Generator[str, None, None]:
        """Reset the count, and yield SELECTs of the accepted rows, each for some of the files.

        Each must be run once, before the next is taken.

        Raises:
            StarlakeError: If a file does not have the table's format.
        """
        self.warnings = []
        self._database.execute(f"CREATE OR REPLACE TEMPORARY SEQUENCE {_COUNTER}")
        for place, batch in batches(self.files):
            with raw_rows(self._database, self.table, batch) as raw:
                self.warnings += [warning for one in raw for warning in one.warnings]
                self._query = checked_query(self.validator, raw, place)
                select = self.select()
                teach(self._database, select)
                yield select

    def count_rejected(self) -> int:
        """Return the number of rows that were left out; call it once, after all SELECTs have run."""
        return int(self._database.value(f"SELECT nextval('temp.main.{_COUNTER}') - 1"))

    def first_rejected(self, rejected: int, limit: int) -> StagedRows:
        """Read the files again up to the first rejects, into the temporary table of staged rows.

        Args:
            rejected: Number of rejected rows.
            limit: Number of rejects to read.
        """
        facts, missing = ReadFacts(), min(rejected, limit)
        for place, batch in batches(self.files):
            with raw_rows(self._database, self.table, batch) as raw:
                missing -= self._describe(raw, place, missing)
                facts.lines |= lines_of_rejects(self._database, raw, place, limit - len(facts.lines))
            if missing <= 0:
                break
        return StagedRows(self.table, self.validator, self.files, facts, rejected=rejected)

    def _describe(self, raw: Sequence[RawRows], place: int, wanted: int) -> int:
        """Read the errors of rows, without their values; return the number of rows with errors."""
        query = f"SELECT {ERROR_COLUMN}, {PLACE_COLUMN} FROM ({checked_query(self.validator, raw, place)})"
        these = f"FROM {STAGED_TABLE} WHERE {PLACE_COLUMN} >= {place}"
        self._database.execute(f"{into_staged(place)} {query} LIMIT {_FIRST_ROWS}")
        count = f"SELECT count(*), count(*) FILTER ({ERROR_COLUMN} <> '') {these}"
        rows, found = self._database.rows(count)[0]
        if found >= wanted or rows < _FIRST_ROWS:
            return int(found)
        self._database.execute(f"DELETE {these}")
        self._database.execute(f"INSERT INTO {STAGED_TABLE} {query}")
        return int(self._database.rows(count)[0][1])
