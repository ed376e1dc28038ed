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
    error: Text | None = None


class Metadata(Model):
    """The ``metadata`` of a domain or table, with the defaults of Starlake.

    In a table it is complete: missing keys come from its domain, then from the application (``ack``, ``emptyIsNull``,
    ``loader``, ``grouped``, ``dropColumns``, ``maxRejected``, ``dagRef`` and others), so that no reader has to merge.
    """

    unused: ClassVar[frozenset[str]] = frozenset({"fillWithDefaultValue"})

    format: Format = Format.DSV
    encoding: Text = "UTF-8"
    separator: Text = ";"
    quote: Text = '"'
    escape: Text = "\\"
    with_header: bool = True
    multiline: bool = False
    array: bool = False
    null_value: Text | None = None
    """String for null; by default the empty string if `empty_is_null` is set."""
    empty_is_null: bool = True
    directory: Text | None = None
    """Landing area, from which ``stage`` takes files. A relative path starts at the project."""
    ack: Text | None = None
    """Extension of the ack file that a data file requires before it is staged; None or empty for no ack file."""
    extensions: Texts = ()
    ignore: Text | None = None
    options: TextMap = Field(default_factory=dict)
    """Options of the reader, such as ``skipRows`` and ``comment``."""
    loader: Loader = Loader.SPARK
    sink: Sink = Sink()
    write_strategy: WriteStrategy = WriteStrategy()
    compute: Text | None = None
    """Compute profile of the load of the table."""
    schedule: Text | None = None
    """A cron expression, or the name of one of the application's schedule presets."""
    dag_ref: Text | None = None
    freshness: Freshness = Freshness()
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
