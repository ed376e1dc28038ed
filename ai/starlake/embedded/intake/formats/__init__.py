"""File formats: each converts a file to raw rows that one query reads."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ai.starlake.common import PermanentError
from ai.starlake.project.models import Format, Table

if TYPE_CHECKING:
    from ai.starlake.embedded.intake.formats.file_format import FileFormat

_FORMATS = {
    Format.DSV: "dsv:Dsv",
    Format.JSON: "json_documents:Json",
    Format.JSON_FLAT: "json_documents:Json",
    Format.PARQUET: "parquet:Parquet",
    Format.POSITION: "position:Position",
    Format.XML: "xml:Xml",
}
"""Modules of this package and their classes; a module is imported when a table needs it."""


def format_of(table: Table) -> FileFormat:
    """Return the format of a table's files.

    Raises:
        StarlakeError: If the engine cannot read it.
    """
    place = _FORMATS.get(table.metadata.format)
    if place is None:
        raise PermanentError(
            f"the table {table.full_name} has the format {table.metadata.format}",
            cause="the embedded engine cannot read it",
            fix=f"use one of {', '.join(str(one) for one in _FORMATS)}, or the Starlake CLI",
        )
    module, _, name = place.partition(":")
    found: FileFormat = getattr(import_module(f"{__name__}.{module}"), name)()
    return found
