"""The rows of an ingestion before they meet the target: read, checked and counted in a temporary table."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.embedded import formats, privacy
from ai.starlake.embedded.audit import reject_text
from ai.starlake.embedded.expressions import converted, translated
from ai.starlake.embedded.files import uri
from ai.starlake.embedded.functions import teach
from ai.starlake.embedded.native import is_native
from ai.starlake.embedded.nested import WRONG_SHAPE, shape
from ai.starlake.embedded.replay import replayed
from ai.starlake.embedded.rows import RECORD_COLUMN, RawRows
from ai.starlake.embedded.sql import identifier, identifiers, literal
from ai.starlake.embedded.validation import ERROR_COLUMN, FILE_COLUMN, PLACE_COLUMN, Validator
from ai.starlake.project import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ai.starlake.embedded.connection import Database

_TABLE = "zztmp_staged"
_PAGE = 10_000
_REFUSED = re.compile(r"CSV (Error|Parser)")
"""What DuckDB says of a file that its reader of DSV cannot read."""


@dataclass(frozen=True)
class Staged:
    """Checked rows in a temporary table.

    Args:
        table: The table they are for.
        validator: What checked them.
        rows: How many there are.
        rejected: How many of them have errors.
        files: The files that they are from.
        header: The line above the rows of the first file, if its format has one.
    """

    table: Table
    validator: Validator
    rows: int
    rejected: int
    files: tuple[Path, ...]
    header: str | None = None

    @property
    def accepted(self) -> int:
        """How many have no errors; those that a filter drops are among them, as in Starlake."""
        return self.rows - self.rejected

    @property
    def _file(self) -> str:
        """SQL of the URI of a row's file."""
        uris = [literal(uri(file)) for file in self.files]
        return uris[0] if len(uris) == 1 else f"[{', '.join(uris)}][{PLACE_COLUMN}]"

    @property
    def columns(self) -> dict[str, str]:
        """Names and types of the target's columns."""
        return {column.name: column.type for column in self.validator.columns if not column.attribute.ignore}

    @property
    def added_columns(self) -> dict[str, str]:
        """The same, of columns that are added to a target that is there."""
        return {column.name: column.added_type for column in self.validator.columns if not column.attribute.ignore}

    def select(self) -> str:
        """A SELECT of the accepted rows, with the target's columns in the order of the metadata.

        The steps are Starlake's (contract 4.1): rename, scripts, ``privacy: SQL:``, filter, drop what is ignored.
        """
        columns = self.validator.columns
        source = f"SELECT {', '.join(self._named())} FROM {_TABLE} WHERE {ERROR_COLUMN} = ''"
        for column in columns:
            if column.attribute.expression:
                value = self._computed(column.attribute.expression, column.type)
                source = f"SELECT *, {value} AS {identifier(column.name)} FROM ({source})"
        for column in columns:
            hidden = privacy.expression(column.attribute)
            if hidden is not None:
                value = self._computed(hidden, column.type)
                source = f"SELECT * REPLACE ({value} AS {identifier(column.name)}) FROM ({source})"
        condition = f" WHERE {self._expression(self.table.filter)}" if self.table.filter else ""
        return f"SELECT {identifiers(self.columns)} FROM ({source}){condition}"

    def _named(self) -> list[str]:
        """The columns that are read from files by their new names; the scripts of native loads may use the old too."""
        read = [column for column in self.validator.columns if not column.attribute.script]
        named = [f"{column.staged} AS {identifier(column.name)}" for column in read]
        if is_native(self.table):
            taken = {column.name.lower() for column in self.validator.columns}
            old = [column for column in read if column.attribute.name.lower() not in taken]
            named += [f"{column.staged} AS {identifier(column.attribute.name)}" for column in old]
        return [*named, f"{self._file} AS {FILE_COLUMN}"]

    def _expression(self, text: str) -> str:
        """SQL of a script or filter: Spark's, or DuckDB's own in native loads; the latter may end with a comment."""
        if is_native(self.table):
            return f"{text}\n"
        texts = {column.name.lower() for column in self.validator.columns if column.type == "VARCHAR"}
        return translated(text, FILE_COLUMN, texts)

    def _computed(self, text: str, kind: str) -> str:
        value = f"({self._expression(text)})"
        return f"CAST({value} AS {kind})" if is_native(self.table) else converted(value, kind)

    def rejects(self, database: Database, limit: int) -> list[tuple[str, str]]:
        """Texts and file URIs of rejected rows, in the order of the files, for the audit."""
        if not self.rejected:
            return []
        text = reject_text(ERROR_COLUMN, self._file)
        query = f"SELECT {text}, {self._file} FROM {_TABLE} WHERE {ERROR_COLUMN} <> '' LIMIT {limit}"
        return [(error, file) for error, file in database.rows(query)]

    def write_rejects(self, database: Database, file: Path) -> None:
        """Writes rejected rows in the format of their files; the validator must keep them."""
        file.parent.mkdir(parents=True, exist_ok=True)
        result = database.execute(f"SELECT {RECORD_COLUMN} FROM {_TABLE} WHERE {ERROR_COLUMN} <> ''")
        pages = iter(lambda: result.fetchmany(_PAGE), [])
        with file.open("w", encoding="utf-8") as out:
            records = (record for page in pages for (record,) in page)
            out.writelines(f"{line}\n" for line in replayed(self.table, self.header, records))

    def per_file(self, database: Database) -> list[tuple[Path, int, int]]:
        """How many rows each file has, and how many of them have errors; a file without rows is left out."""
        counts = f"count(*), count(*) FILTER ({ERROR_COLUMN} <> '')"
        query = f"SELECT {PLACE_COLUMN}, {counts} FROM {_TABLE} GROUP BY ALL ORDER BY ALL"
        return [(self.files[place - 1], rows, rejected) for place, rows, rejected in database.rows(query)]

    def first_error(self, database: Database) -> str:
        """The errors of the first rejected row."""
        query = f"SELECT {ERROR_COLUMN} FROM {_TABLE} WHERE {ERROR_COLUMN} <> '' LIMIT 1"
        return str(database.value(query) or "")


@contextmanager
def staged(
    database: Database, validator: Validator, table: Table, files: Sequence[Path], *, strict: bool = False
) -> Iterator[Staged]:
    """Reads and checks files into a temporary table, which is there until the end of the block.

    Args:
        database: The database.
        validator: Checks the rows.
        table: The table that they are for.
        files: The files.
        strict: Whether JSON of several shapes in a scalar column is an error rather than text.

    Raises:
        StarlakeError: If a file is not of the table's format.
        duckdb.Error: If a file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="starlake-") as scratch:
        raw = [formats.read(database, table, file, Path(scratch)) for file in files]
        _fill(database, validator, raw, strict=strict)
    try:
        counts = f"SELECT count(*), count(*) FILTER ({ERROR_COLUMN} <> '') FROM {_TABLE}"
        rows, rejected = database.rows(counts)[0]
        yield Staged(table, validator, rows, rejected, tuple(files), raw[0].header if raw else None)
    finally:
        database.execute(f"DROP TABLE IF EXISTS {_TABLE}")


def _fill(database: Database, validator: Validator, raw: Sequence[RawRows], *, strict: bool) -> None:
    import duckdb

    try:
        _create(database, validator, raw)
    except duckdb.Error as error:
        again = _otherwise(database, validator, raw, str(error), strict=strict)
        if again is None:
            raise
        _create(database, *again)


def _otherwise(
    database: Database, validator: Validator, raw: Sequence[RawRows], error: str, *, strict: bool
) -> tuple[Validator, Sequence[RawRows]] | None:
    """Another way to read and check rows than the one that failed, None when there is none."""
    if _REFUSED.search(error) and any(one.fallback for one in raw):
        return validator, [RawRows(one.file, one.fallback() if one.fallback else one.query, one.cells) for one in raw]
    if WRONG_SHAPE in error and not strict:
        several = _of_several_shapes(database, validator, raw)
        return (validator.taking_as_text(several), raw) if several else None
    return None


def _of_several_shapes(database: Database, validator: Validator, raw: Sequence[RawRows]) -> set[str]:
    """The scalar attributes whose JSON has more than one shape in the files; Spark takes them for texts."""
    cells = zip(validator.columns, raw[0].cells, strict=True)
    names = {cell.column: column.attribute.name for column, cell in cells if cell and validator.is_json_scalar(column)}
    if not names:
        return set()
    counts = ", ".join(f"count(DISTINCT {shape(name)})" for name in names)
    (found,) = database.rows(f"SELECT {counts} FROM ({' UNION ALL '.join(one.query for one in raw)})")
    return {name for name, count in zip(names.values(), found, strict=True) if count > 1}


def _create(database: Database, validator: Validator, raw: Sequence[RawRows]) -> None:
    query = " UNION ALL ".join(validator.checked(one, place) for place, one in enumerate(raw, 1))
    teach(database, query)
    database.execute(f"CREATE OR REPLACE TEMPORARY TABLE {_TABLE} AS {query}")
