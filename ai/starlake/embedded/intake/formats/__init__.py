"""The formats of files: each turns a file into raw rows that one query reads."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.project.models import Format, Table

if TYPE_CHECKING:
    from ai.starlake.embedded.checking.raw_rows import RawRows
    from ai.starlake.embedded.database.connection import Database

Reader = Callable[["Database", Table, Path, Path], "RawRows"]
"""Reads a file of a table; the last argument is a folder for files that last as long as the ingestion."""

_READERS = {
    Format.DSV: "dsv",
    Format.JSON: "json_documents",
    Format.JSON_FLAT: "json_documents",
    Format.PARQUET: "parquet",
    Format.POSITION: "position",
    Format.XML: "xml",
}


def read(database: Database, table: Table, file: Path, scratch: Path) -> RawRows:
    """Makes the query that reads a file.

    Args:
        database: The database that will run the query.
        table: The table that the file belongs to; says the format and its options.
        file: The file.
        scratch: A folder for files that the query needs; it may be deleted once the rows are read.

    Raises:
        StarlakeError: If the format or one of its options is not supported, or if the file is not of the format.
    """
    name = _READERS.get(table.metadata.format)
    if name is None:
        raise StarlakeError(
            f"the table {table.full_name} has the format {table.metadata.format}"
            + (f" ({table.file})" if table.file else ""),
            cause="the embedded engine cannot read it",
            fix=f"use one of {', '.join(str(one) for one in _READERS)}, or the Starlake CLI",
        )
    reader: Reader = import_module(f"ai.starlake.embedded.intake.formats.{name}").read
    return reader(database, table, file, scratch)
