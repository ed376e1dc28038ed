"""The accepted rows of an ingestion as one SELECT, with the scripts, ``privacy: SQL:`` and the filter of the table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import PermanentError
from ai.starlake.embedded.areas.area_files import uri
from ai.starlake.embedded.checking import privacy
from ai.starlake.embedded.checking.python_functions import teach
from ai.starlake.embedded.checking.validation import FILE_COLUMN, PLACE_COLUMN
from ai.starlake.embedded.database.quoting import identifier, identifiers, literal
from ai.starlake.embedded.database.statements import Statement, origin
from ai.starlake.embedded.spark.translation import converted, translated

if TYPE_CHECKING:
    from ai.starlake.embedded.checking.validation import Validator
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.project import Table


class AcceptedRows(ABC):
    """The rows of files to write.

    Args:
        table: The target table.
        validator: Checks the rows.
        files: The files that contain them.
    """

    def __init__(self, table: Table, validator: Validator, files: tuple[Path, ...]) -> None:
        self.table = table
        self.validator = validator
        self.files = files

    @property
    @abstractmethod
    def source(self) -> str:
        """SQL after FROM: checked rows, and the condition for rows without errors."""

    @property
    def file_uri(self) -> str:
        """SQL of the URI of a row's file."""
        uris = [literal(uri(file)) for file in self.files]
        return uris[0] if len(uris) == 1 else f"[{', '.join(uris)}][{PLACE_COLUMN}]"

    @property
    def columns(self) -> dict[str, str]:
        """Columns of the target and their types."""
        return {column.name: column.type for column in self.validator.columns if not column.attribute.ignore}

    @property
    def added_columns(self) -> dict[str, str]:
        """Column types to use when a column is added to an existing table."""
        return {column.name: column.added_type for column in self.validator.columns if not column.attribute.ignore}

    def select(self) -> str:
        """Return a SELECT of the accepted rows, with the target's columns in the order of the metadata.

        The steps are Starlake's: rename, scripts, ``privacy: SQL:``, filter, drop what is ignored.
        """
        _, source = list(self.steps())[-1]
        return f"SELECT {identifiers(self.columns)} FROM ({source})"

    def mentions(self, name: str) -> bool:
        """Return True if an expression of the table may read a table with a name."""
        return any(name.lower() in text.lower() for text, _ in self.steps())

    def steps(self) -> Iterator[tuple[str, str]]:
        """Yield an empty expression and those of the table, each with a SELECT of all preceding steps."""
        columns = self.validator.columns
        source = f"SELECT {', '.join(self._named())} FROM {self.source}"
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
        """Return the columns of the files by their new names; the scripts of native loads may use the old ones too."""
        read = [column for column in self.validator.columns if not column.attribute.script]
        named = [f"{column.staged} AS {identifier(column.name)}" for column in read]
        if self.table.metadata.loads_natively:
            taken = {column.name.lower() for column in self.validator.columns}
            old = [column for column in read if column.attribute.name.lower() not in taken]
            named += [f"{column.staged} AS {identifier(column.attribute.name)}" for column in old]
        return [*named, f"{self.file_uri} AS {FILE_COLUMN}"]

    def _expression(self, text: str) -> str:
        """Return the SQL of a script or filter: Spark's; in native loads DuckDB's own, which may end with a comment."""
        if self.table.metadata.loads_natively:
            return f"{text}\n"
        texts = {column.name.lower() for column in self.validator.columns if column.type == "VARCHAR"}
        try:
            return translated(text, FILE_COLUMN, texts)
        except PermanentError as error:
            file, line = origin(self.table, text)
            named = [column.attribute.name for column in self.validator.columns if column.attribute.script == text]
            subject = f"the script of the attribute {named[0]}" if named else "the filter"
            raise PermanentError(
                f"{file}:{line}: {subject}: {error.culprit}", cause=error.cause, fix=error.fix
            ) from error

    def _computed(self, text: str, kind: str) -> str:
        value = f"({self._expression(text)})"
        return f"CAST({value} AS {kind})" if self.table.metadata.loads_natively else converted(value, kind)


def require_expressions(database: Database, rows: AcceptedRows) -> None:
    """Check the scripts, the privacy and the filter of a table before its rows are written.

    Args:
        database: The database.
        rows: The rows that were read.

    Raises:
        SqlError: If one of them is not valid; the error names the line of the table's file.
    """
    import duckdb

    steps = list(rows.steps())
    select = rows.select()
    teach(database, select)
    try:
        database.rows(f"DESCRIBE {select}")
    except duckdb.Error:
        for text, step in steps:
            file, line = origin(rows.table, text)
            with Statement(step, file, (line,) if line else ()).explained():
                database.rows(f"DESCRIBE {step}")
