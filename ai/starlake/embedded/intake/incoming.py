"""The rows of an ingestion before they are merged: read, checked and counted in a temporary table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.embedded.checking.nested import WRONG_SHAPE
from ai.starlake.embedded.checking.raw_rows import RECORD_COLUMN
from ai.starlake.embedded.checking.validation import ERROR_COLUMN, PLACE_COLUMN
from ai.starlake.embedded.intake.accepted import AcceptedRows
from ai.starlake.embedded.intake.formats import format_of
from ai.starlake.embedded.intake.reading import batches, explained, of_several_shapes, raw_rows, run_checked
from ai.starlake.embedded.warehouse.audit import Reject

if TYPE_CHECKING:
    from ai.starlake.embedded.checking.raw_rows import RawRows
    from ai.starlake.embedded.checking.validation import Validator
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.project import Table

STAGED_TABLE = "zztmp_staged"
_PAGE = 10_000


@dataclass
class ReadFacts:
    """Facts about files besides their rows.

    Args:
        header: The line above the rows of the first file, if its format has one.
        warnings: Problems of the files that lose no row.
        lines: The lines of the first rejected rows, by their number in the temporary table.
    """

    header: str | None = None
    warnings: list[str] = field(default_factory=list)
    lines: dict[int, int] = field(default_factory=dict)


class StagedRows(AcceptedRows):
    """Checked rows in a temporary table.

    Args:
        table: The target table.
        validator: The validator that checked them.
        files: The files that contain them.
        facts: Facts about the files besides their rows.
        rows: Number of rows.
        rejected: Number of rows with errors.
    """

    def __init__(
        self,
        table: Table,
        validator: Validator,
        files: tuple[Path, ...],
        facts: ReadFacts,
        *,
        rows: int = 0,
        rejected: int = 0,
    ) -> None:
        super().__init__(table, validator, files)
        self.facts = facts
        self.rows = rows
        self.rejected = rejected

    @property
    def accepted(self) -> int:
        """Number of rows without errors, including rows that a filter drops, as in Starlake."""
        return self.rows - self.rejected

    @property
    def source(self) -> str:
        """SQL after FROM."""
        return f"{STAGED_TABLE} WHERE {ERROR_COLUMN} = ''"

    def rejects(self, database: Database, limit: int) -> list[Reject]:
        """Return the first rejected rows, in the order of the files."""
        if not self.rejected:
            return []
        these = f"FROM {STAGED_TABLE} WHERE {ERROR_COLUMN} <> '' LIMIT {limit}"
        query = f"SELECT rowid, {ERROR_COLUMN}, {self.file_uri} {these}"
        found = [(error, file, self.facts.lines.get(row)) for row, error, file in database.rows(query)]
        return [Reject(_of_row(error, line), file, line) for error, file, line in found]

    def write_rejects(self, database: Database, file: Path) -> None:
        """Write rejected rows in the format of their files; the validator must keep them."""
        file.parent.mkdir(parents=True, exist_ok=True)
        result = database.execute(f"SELECT {RECORD_COLUMN} FROM {STAGED_TABLE} WHERE {ERROR_COLUMN} <> ''")
        pages = iter(lambda: result.fetchmany(_PAGE), [])
        with file.open("w", encoding="utf-8") as out:
            records = (record for page in pages for (record,) in page)
            out.writelines(
                f"{line}\n" for line in format_of(self.table).replayed(self.table, self.facts.header, records)
            )

    def per_file(self, database: Database) -> list[tuple[Path, int, int]]:
        """Return the number of rows of each file, and of those with errors; files without rows are left out."""
        counts = f"count(*), count(*) FILTER ({ERROR_COLUMN} <> '')"
        query = f"SELECT {PLACE_COLUMN}, {counts} FROM {STAGED_TABLE} GROUP BY ALL ORDER BY ALL"
        return [(self.files[place - 1], rows, rejected) for place, rows, rejected in database.rows(query)]

    def first_error(self, database: Database) -> str:
        """Return the errors of the first rejected row, with its line."""
        first = self.rejects(database, 1)[0]
        return _with_line(first.error, first.line)


def _of_row(error: str, line: int | None) -> str:
    """Return the error of a row; errors of values are Starlake's, word for word, without a line."""
    return error if error.startswith("`") else _with_line(error, line)


def _with_line(error: str, line: int | None) -> str:
    return error if line is None or error.startswith("line ") else f"line {line}: {error}"


def empty_rows(database: Database, validator: Validator, table: Table) -> StagedRows:
    """Return an empty table, to check the expressions of a table.

    Args:
        database: The database.
        validator: The validator, with the columns.
        table: The table.
    """
    read = [column for column in validator.columns if not column.attribute.script]
    columns = [f"{column.staged} {column.type}" for column in read]
    columns += [f"{ERROR_COLUMN} VARCHAR", f"{PLACE_COLUMN} INTEGER"]
    database.execute(f"CREATE OR REPLACE TEMPORARY TABLE {STAGED_TABLE} ({', '.join(columns)})")
    return StagedRows(table, validator, (Path("file"),), ReadFacts())


@contextmanager
def staged(
    database: Database,
    validator: Validator,
    table: Table,
    files: Sequence[Path],
    *,
    strict: bool = False,
    located: int = 0,
) -> Iterator[StagedRows]:
    """Read and check files into a temporary table, which exists until the end of the block.

    Args:
        database: The database.
        validator: Checks the rows.
        table: The target table.
        files: The files.
        strict: True if JSON of several shapes in a scalar column is an error rather than a string.
        located: Number of rejected rows whose lines are searched for.

    Raises:
        StarlakeError: If a file does not have the table's format.
        duckdb.Error: If a file cannot be read.
    """
    try:
        facts = _fill(database, validator, table, files, strict=strict, located=located)
        counts = f"SELECT count(*), count(*) FILTER ({ERROR_COLUMN} <> '') FROM {STAGED_TABLE}"
        rows, rejected = database.rows(counts)[0]
        yield StagedRows(table, validator, tuple(files), facts, rows=rows, rejected=rejected)
    finally:
        database.execute(f"DROP TABLE IF EXISTS {STAGED_TABLE}")


def _fill(
    database: Database, validator: Validator, table: Table, files: Sequence[Path], *, strict: bool, located: int
) -> ReadFacts:
    """Fill the temporary table."""
    import duckdb

    try:
        return _read(database, validator, table, files, located)
    except duckdb.InvalidInputException as error:
        several = (
            set() if strict or WRONG_SHAPE not in str(error) else of_several_shapes(database, validator, table, files)
        )
        if not several:
            raise explained(database, table, files, str(error)) from error
        return _read(database, validator.taking_as_text(several), table, files, located)


def _read(database: Database, validator: Validator, table: Table, files: Sequence[Path], located: int) -> ReadFacts:
    """Read files into the temporary table, some at a time."""
    facts = ReadFacts()
    for place, batch in batches(files):
        with raw_rows(database, table, batch) as raw:
            facts.header = raw[0].header if place == 1 else facts.header
            facts.warnings += [warning for one in raw for warning in one.warnings]
            run_checked(database, validator, raw, place, f"{into_staged(place)} {{}}")
            facts.lines |= lines_of_rejects(database, raw, place, located - len(facts.lines))
    return facts


def into_staged(place: int) -> str:
    """Return the SQL that inserts rows into the temporary table, which the first file creates."""
    return f"INSERT INTO {STAGED_TABLE}" if place > 1 else f"CREATE OR REPLACE TEMPORARY TABLE {STAGED_TABLE} AS"


def lines_of_rejects(database: Database, raw: Sequence[RawRows], place: int, limit: int) -> dict[int, int]:
    """Return the lines of rejected rows by their number in the temporary table, which has the order of the files.

    Args:
        database: The database.
        raw: The files that were read last.
        place: The position of the first of them among all.
        limit: Maximum number of lines.
    """
    if limit <= 0 or not database.value("SELECT current_setting('preserve_insertion_order')"):
        return {}
    these = f"FROM {STAGED_TABLE} WHERE {PLACE_COLUMN} BETWEEN {place} AND {place + len(raw) - 1}"
    query = f"SELECT rowid, {PLACE_COLUMN} {these} AND {ERROR_COLUMN} <> '' ORDER BY rowid LIMIT {limit}"
    rejected: dict[int, list[int]] = {}
    for row, file in database.rows(query):
        rejected.setdefault(file, []).append(row)
    found: dict[int, int] = {}
    sizes = f"SELECT {PLACE_COLUMN}, min(rowid), count(*) {these} GROUP BY ALL"
    for file, first, count in database.rows(sizes) if rejected else ():
        lines = raw[file - place].lines
        if lines is not None and file in rejected:
            numbers = rejected[file]
            found |= dict(zip(numbers, lines([number - first for number in numbers], count), strict=False))
    return found
