"""The rows of an ingestion before they meet the target: read, checked and counted in a temporary table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.areas.area_files import uri
from ai.starlake.embedded.checking import privacy
from ai.starlake.embedded.checking.nested import WRONG_SHAPE, shape
from ai.starlake.embedded.checking.python_functions import teach
from ai.starlake.embedded.checking.raw_rows import RECORD_COLUMN, RawRows
from ai.starlake.embedded.checking.validation import ERROR_COLUMN, FILE_COLUMN, PLACE_COLUMN, Validator
from ai.starlake.embedded.database.quoting import identifier, identifiers, literal
from ai.starlake.embedded.database.statements import origin
from ai.starlake.embedded.intake.formats import format_of
from ai.starlake.embedded.intake.formats.json_places import plain
from ai.starlake.embedded.scratch import scratch_folder
from ai.starlake.embedded.spark.translation import converted, translated
from ai.starlake.embedded.warehouse.audit import Reject
from ai.starlake.project import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ai.starlake.embedded.database.connection import Database

_TABLE = "zztmp_staged"
_FILES_SHOWN = 3
_PAGE = 10_000
_FILES_AT_A_TIME = 100
_REFUSED = re.compile(r"CSV (Error|Parser)")
"""What DuckDB says of a file that its reader of DSV cannot read."""


@dataclass
class Facts:
    """What is known of files besides their rows.

    Args:
        header: The line above the rows of the first file, if its format has one.
        warnings: What is odd about the files and loses no row.
        lines: The lines of the first rejected rows by their numbers in the temporary table.
    """

    header: str | None = None
    warnings: list[str] = field(default_factory=list)
    lines: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Staged:
    """Checked rows in a temporary table.

    Args:
        table: The table they are for.
        validator: What checked them.
        rows: How many there are.
        rejected: How many of them have errors.
        files: The files that they are from.
        facts: What is known of the files besides their rows.
    """

    table: Table
    validator: Validator
    rows: int
    rejected: int
    files: tuple[Path, ...]
    facts: Facts

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

        The steps are Starlake's: rename, scripts, ``privacy: SQL:``, filter, drop what is ignored.
        """
        _, source = list(self.steps())[-1]
        return f"SELECT {identifiers(self.columns)} FROM ({source})"

    def steps(self) -> Iterator[tuple[str, str]]:
        """Each expression of the table, the first time none, and the SELECT that has computed all up to it."""
        columns = self.validator.columns
        source = f"SELECT {', '.join(self._named())} FROM {_TABLE} WHERE {ERROR_COLUMN} = ''"
        yield "", source
        for column in columns:
            if column.attribute.expression:
                value = self._computed(column.attribute.expression, column.type)
                source = f"SELECT *, {value} AS {identifier(column.name)} FROM ({source})"
                yield column.attribute.expression, source
        for column in columns:
            hidden = privacy.expression(column.attribute)
            if hidden is not None:
                value = self._computed(hidden, column.type)
                source = f"SELECT * REPLACE ({value} AS {identifier(column.name)}) FROM ({source})"
                yield hidden, source
        if self.table.filter:
            yield self.table.filter, f"SELECT * FROM ({source}) WHERE {self._expression(self.table.filter)}"

    def _named(self) -> list[str]:
        """The columns that are read from files by their new names; the scripts of native loads may use the old too."""
        read = [column for column in self.validator.columns if not column.attribute.script]
        named = [f"{column.staged} AS {identifier(column.name)}" for column in read]
        if self.table.metadata.loads_natively:
            taken = {column.name.lower() for column in self.validator.columns}
            old = [column for column in read if column.attribute.name.lower() not in taken]
            named += [f"{column.staged} AS {identifier(column.attribute.name)}" for column in old]
        return [*named, f"{self._file} AS {FILE_COLUMN}"]

    def _expression(self, text: str) -> str:
        """SQL of a script or filter: Spark's, or DuckDB's own in native loads; the latter may end with a comment."""
        if self.table.metadata.loads_natively:
            return f"{text}\n"
        texts = {column.name.lower() for column in self.validator.columns if column.type == "VARCHAR"}
        try:
            return translated(text, FILE_COLUMN, texts)
        except StarlakeError as error:
            file, line = origin(self.table, text)
            named = [column.attribute.name for column in self.validator.columns if column.attribute.script == text]
            subject = f"the script of the attribute {named[0]}" if named else "the filter"
            raise StarlakeError(
                f"{file}:{line}: {subject}: {error.culprit}", cause=error.cause, fix=error.fix
            ) from error

    def _computed(self, text: str, kind: str) -> str:
        value = f"({self._expression(text)})"
        return f"CAST({value} AS {kind})" if self.table.metadata.loads_natively else converted(value, kind)

    def rejects(self, database: Database, limit: int) -> list[Reject]:
        """The first rejected rows, in the order of the files."""
        if not self.rejected:
            return []
        query = f"SELECT rowid, {ERROR_COLUMN}, {self._file} FROM {_TABLE} WHERE {ERROR_COLUMN} <> '' LIMIT {limit}"
        found = [(error, file, self.facts.lines.get(row)) for row, error, file in database.rows(query)]
        return [Reject(_of_row(error, line), file, line) for error, file, line in found]

    def write_rejects(self, database: Database, file: Path) -> None:
        """Writes rejected rows in the format of their files; the validator must keep them."""
        file.parent.mkdir(parents=True, exist_ok=True)
        result = database.execute(f"SELECT {RECORD_COLUMN} FROM {_TABLE} WHERE {ERROR_COLUMN} <> ''")
        pages = iter(lambda: result.fetchmany(_PAGE), [])
        with file.open("w", encoding="utf-8") as out:
            records = (record for page in pages for (record,) in page)
            out.writelines(
                f"{line}\n" for line in format_of(self.table).replayed(self.table, self.facts.header, records)
            )

    def per_file(self, database: Database) -> list[tuple[Path, int, int]]:
        """How many rows each file has, and how many of them have errors; a file without rows is left out."""
        counts = f"count(*), count(*) FILTER ({ERROR_COLUMN} <> '')"
        query = f"SELECT {PLACE_COLUMN}, {counts} FROM {_TABLE} GROUP BY ALL ORDER BY ALL"
        return [(self.files[place - 1], rows, rejected) for place, rows, rejected in database.rows(query)]

    def first_error(self, database: Database) -> str:
        """The errors of the first rejected row, with its line."""
        first = self.rejects(database, 1)[0]
        return _with_line(first.error, first.line)


def _of_row(error: str, line: int | None) -> str:
    """The error of a row; those of values are Starlake's, word for word, and have no line."""
    return error if error.startswith("`") else _with_line(error, line)


def _with_line(error: str, line: int | None) -> str:
    return error if line is None or error.startswith("line ") else f"line {line}: {error}"


def empty_rows(database: Database, validator: Validator, table: Table) -> Staged:
    """Return no rows at all, to check the expressions of a table on.

    Args:
        database: The database.
        validator: Knows the columns.
        table: The table.
    """
    read = [column for column in validator.columns if not column.attribute.script]
    columns = [f"{column.staged} {column.type}" for column in read]
    columns += [f"{ERROR_COLUMN} VARCHAR", f"{PLACE_COLUMN} INTEGER"]
    database.execute(f"CREATE OR REPLACE TEMPORARY TABLE {_TABLE} ({', '.join(columns)})")
    return Staged(table, validator, 0, 0, (Path("file"),), Facts())


@contextmanager
def staged(
    database: Database,
    validator: Validator,
    table: Table,
    files: Sequence[Path],
    *,
    strict: bool = False,
    located: int = 0,
) -> Iterator[Staged]:
    """Reads and checks files into a temporary table, which is there until the end of the block.

    Args:
        database: The database.
        validator: Checks the rows.
        table: The table that they are for.
        files: The files.
        strict: Whether JSON of several shapes in a scalar column is an error rather than text.
        located: Of how many rejected rows the lines are searched for.

    Raises:
        StarlakeError: If a file is not of the table's format.
        duckdb.Error: If a file cannot be read.
    """
    try:
        facts = _fill(database, validator, table, files, strict=strict, located=located)
        counts = f"SELECT count(*), count(*) FILTER ({ERROR_COLUMN} <> '') FROM {_TABLE}"
        rows, rejected = database.rows(counts)[0]
        yield Staged(table, validator, rows, rejected, tuple(files), facts)
    finally:
        database.execute(f"DROP TABLE IF EXISTS {_TABLE}")


def _fill(
    database: Database, validator: Validator, table: Table, files: Sequence[Path], *, strict: bool, located: int
) -> Facts:
    """Fill the temporary table."""
    import duckdb

    try:
        return _read(database, validator, table, files, located)
    except duckdb.InvalidInputException as error:
        several = (
            set() if strict or WRONG_SHAPE not in str(error) else _of_several_shapes(database, validator, table, files)
        )
        if not several:
            raise _explained(database, table, files, str(error)) from error
        return _read(database, validator.taking_as_text(several), table, files, located)


def _explained(database: Database, table: Table, files: Sequence[Path], error: str) -> StarlakeError:
    """The error of files that DuckDB cannot read, in words and with settings that exist here."""
    for start in range(0, len(files), _FILES_AT_A_TIME):
        with _raw_rows(database, table, files[start : start + _FILES_AT_A_TIME]) as raw:
            found = (one.explain(error) for one in raw if one.explain)
            if explained := next(filter(None, found), None):
                return explained
    names = ", ".join(file.name for file in files[:_FILES_SHOWN])
    return StarlakeError(
        f"{names} cannot be read as {table.metadata.format}",
        cause=plain(error),
        fix="correct the file, or the metadata of its table: format, separator, quote, escape, encoding",
    )


def _read(database: Database, validator: Validator, table: Table, files: Sequence[Path], located: int) -> Facts:
    """Read files into the temporary table, some at a time: what a query needs grows with the files that it reads."""
    facts = Facts()
    for start in range(0, len(files), _FILES_AT_A_TIME):
        with _raw_rows(database, table, files[start : start + _FILES_AT_A_TIME]) as raw:
            facts.header = raw[0].header if start == 0 else facts.header
            facts.warnings += [warning for one in raw for warning in one.warnings]
            _add(database, validator, raw, start + 1)
            facts.lines |= _lines(database, raw, start + 1, located - len(facts.lines))
    return facts


def _lines(database: Database, raw: Sequence[RawRows], place: int, limit: int) -> dict[int, int]:
    """The lines of rejected rows by their numbers in the temporary table, which has the rows in the order of the files.

    Args:
        database: The database.
        raw: The files that were read last.
        place: The place of the first of them among all.
        limit: How many lines are wanted at most.
    """
    if limit <= 0 or not database.value("SELECT current_setting('preserve_insertion_order')"):
        return {}
    these = f"FROM {_TABLE} WHERE {PLACE_COLUMN} BETWEEN {place} AND {place + len(raw) - 1}"
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


@contextmanager
def _raw_rows(database: Database, table: Table, files: Sequence[Path]) -> Iterator[list[RawRows]]:
    """What reads some files; what it needs on disk is there until the end of the block."""
    with scratch_folder() as scratch:
        reader = format_of(table)
        yield [reader.read(database, table, file, scratch) for file in files]


def _add(database: Database, validator: Validator, raw: Sequence[RawRows], place: int) -> None:
    """Add the rows of files to the temporary table, which the first ones make.

    Args:
        database: The database.
        validator: Checks the rows.
        raw: The rows.
        place: The place of the first file among all.
    """
    import duckdb

    into = "INSERT INTO {} {}" if place > 1 else "CREATE OR REPLACE TEMPORARY TABLE {} AS {}"
    try:
        _run(database, validator, raw, place, into)
    except duckdb.Error as error:
        if not (_REFUSED.search(str(error)) and any(one.fallback for one in raw)):
            raise
        slower = [replace(one, query=one.fallback(), has_problems=True) if one.fallback else one for one in raw]
        _run(database, validator, slower, place, into)


def _run(database: Database, validator: Validator, raw: Sequence[RawRows], place: int, into: str) -> None:
    query = " UNION ALL ".join(validator.checked(one, number) for number, one in enumerate(raw, place))
    teach(database, query)
    database.execute(into.format(_TABLE, query))


def _of_several_shapes(database: Database, validator: Validator, table: Table, files: Sequence[Path]) -> set[str]:
    """The scalar attributes whose JSON has more than one shape in the files; Spark takes them for texts."""
    shapes: dict[str, set[str]] = {}
    if not format_of(table).scalars_change_shape:
        return set()
    for start in range(0, len(files), _FILES_AT_A_TIME):
        with _raw_rows(database, table, files[start : start + _FILES_AT_A_TIME]) as raw:
            for one in raw:
                for name, found in _shapes(database, validator, one).items():
                    shapes.setdefault(name, set()).update(found)
    return {name for name, found in shapes.items() if len(found) > 1}


def _shapes(database: Database, validator: Validator, raw: RawRows) -> dict[str, list[str]]:
    """The shapes that the JSON of scalar attributes has in a file."""
    cells = zip(validator.columns, raw.cells, strict=True)
    names = {column.attribute.name: cell.column for column, cell in cells if cell and validator.is_json_scalar(column)}
    if not names:
        return {}
    lists = ", ".join(f"list(DISTINCT {shape(cell)}) FILTER ({shape(cell)} IS NOT NULL)" for cell in names.values())
    (found,) = database.rows(f"SELECT {lists} FROM ({raw.query})")
    return {name: shapes or [] for name, shapes in zip(names, found, strict=True)}
