"""Metadata of a table: the format of its files, their landing area and their treatment."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from ai.starlake.project.models.base import MaxRejected, Model, Text, TextMap, Texts
from ai.starlake.project.models.enums import Format, Loader
from ai.starlake.project.models.write_options import Sink, WriteStrategy


class Freshness(Model):
    """Limits of the age of data, such as ``3 days`` or ``2 hours``."""

    warn: Text | None = None
    """Age from which there is a warning."""
    error: Text | None = None
    """Age from which there is an error."""


class Metadata(Model):
    """The ``metadata`` of a domain or table, with the defaults of Starlake's `Metadata.scala`.

    In a table it is complete: missing keys come from its domain, then from the application (``ack``, ``emptyIsNull``,
    ``loader``, ``grouped``, ``dropColumns``, ``maxRejected``, ``dagRef`` and others), so that no reader has to merge.
    """

    unused: ClassVar[frozenset[str]] = frozenset({"fillWithDefaultValue"})

    format: Format = Format.DSV
    """Format of the files."""
    encoding: Text = "UTF-8"
    """Encoding of the files."""
    separator: Text = ";"
    """Separator between the fields of a line; one or several characters."""
    quote: Text = '"'
    """Character around a field."""
    escape: Text = "\\"
    """Character before a quote within a field."""
    with_header: bool = True
    """True if the first line has the names of the fields."""
    multiline: bool = False
    """True if a field may contain line breaks, and a JSON document several lines."""
    array: bool = False
    """True if a JSON file is one array."""
    null_value: Text | None = None
    """String for null; by default the empty string if `empty_is_null` is set."""
    empty_is_null: bool = True
    """True if empty strings are null."""
    directory: Text | None = None
    """Landing area, from which ``stage`` takes files. A relative path starts at the project."""
    ack: Text | None = None
    """Extension of the ack file that a data file requires before it is staged; None or empty for no ack file."""
    extensions: Texts = ()
    """Extensions of files, for Starlake's ``autoload``."""
    ignore: Text | None = None
    """Pattern of lines that Starlake leaves out; ignored by the embedded engine."""
    options: TextMap = Field(default_factory=dict)
    """Options of the reader, such as ``skipRows`` and ``comment``."""
    loader: Loader = Loader.SPARK
    """Reader of the files: with validation, or the database itself."""
    sink: Sink = Sink()
    """Target of the rows."""
    write_strategy: WriteStrategy = WriteStrategy()
    """Rules for merging the rows into the table."""
    compute: Text | None = None
    """Compute profile of the load of the table."""
    schedule: Text | None = None
    """A cron expression, or the name of one of the application's schedule presets."""
    dag_ref: Text | None = None
    """DAG configuration of the table."""
    freshness: Freshness = Freshness()
    """Limits of the age of the table."""
    grouped: bool = False
    """True if all waiting files of a table are loaded together."""
    drop_columns: bool = False
    """True if columns that the table's attributes no longer name are dropped, with their values."""
    max_rejected: MaxRejected | None = None
    """Maximum number of rejected rows per file, as a number or a percentage; more fail the load."""
    replace_invalid_bytes: bool = False
    """True if invalid bytes of the encoding are loaded as U+FFFD, as by Starlake."""
    cut_long_rows: bool = False
    """True if surplus values of a DSV row are left out, as by Starlake."""
    fail_on_misspelled_columns: bool = False
    """True if a DSV header with both unknown and missing columns is an error instead of a warning."""

    @model_validator(mode="before")
    @classmethod
    def _array_format(cls, data: Any) -> Any:
        """Convert ``format: JSON_ARRAY`` to JSON with ``array: true``."""
        if isinstance(data, dict) and str(data.get("format")).upper() == "JSON_ARRAY":
            return {"array": True, **data}
        return data

    @property
    def loads_natively(self) -> bool:
        """True if files are loaded without validation."""
        return self.loader is Loader.NATIVE and self.format.has_native_loader
