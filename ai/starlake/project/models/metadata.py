"""How the files of a table look, where they land and what happens to them."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from ai.starlake.project.models.base import MaxRejected, Model, Text, TextMap, Texts
from ai.starlake.project.models.enums import Format, Loader
from ai.starlake.project.models.write_options import Sink, WriteStrategy


class Freshness(Model):
    """How old data may get, such as ``3 days`` or ``2 hours``."""

    warn: Text | None = None
    error: Text | None = None


class Metadata(Model):
    """The ``metadata`` of a domain or table, with the defaults of Starlake.

    In a table it is complete: what the table's file leaves out comes from its domain, then from the application
    (``ack``, ``emptyIsNull``, ``loader``, ``grouped``, ``dropColumns``, ``maxRejected``, ``dagRef`` and the like), so
    that nobody downstream merges.
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
    """The string that stands for null; if it is not given, the empty string does where `empty_is_null` holds."""
    empty_is_null: bool = True
    directory: Text | None = None
    """The landing area, from which ``stage`` takes files. A relative path starts at the project."""
    ack: Text | None = None
    """Extension of the file that must lie beside a data file before it is staged; None and empty: no such file."""
    extensions: Texts = ()
    ignore: Text | None = None
    options: TextMap = Field(default_factory=dict)
    """Options of the reader, such as ``skipRows`` and ``comment``."""
    loader: Loader = Loader.SPARK
    sink: Sink = Sink()
    write_strategy: WriteStrategy = WriteStrategy()
    compute: Text | None = None
    """The compute profile of what loads the table."""
    schedule: Text | None = None
    """A cron expression, or the name of one of the application's schedule presets."""
    dag_ref: Text | None = None
    freshness: Freshness = Freshness()
    grouped: bool = False
    """True if all files that wait for a table are loaded as one."""
    drop_columns: bool = False
    """True if columns that the table's attributes no longer name are dropped, with their values."""
    max_rejected: MaxRejected | None = None
    """How many rows of a file may be rejected, as a number or a percentage; a load of more fails."""
    replace_invalid_bytes: bool = False
    """True if bytes that are not in the encoding are loaded as U+FFFD, as Starlake loads them."""
    cut_long_rows: bool = False
    """True if values of a DSV row that are more than the file has columns are left out, as Starlake leaves them out."""
    fail_on_misspelled_columns: bool = False
    """True if a DSV header that has unknown columns and lacks others is an error rather than a warning."""

    @model_validator(mode="before")
    @classmethod
    def _array_format(cls, data: Any) -> Any:
        """``format: JSON_ARRAY`` says ``array: true`` in one word."""
        if isinstance(data, dict) and str(data.get("format")).upper() == "JSON_ARRAY":
            return {"array": True, **data}
        return data

    @property
    def loads_natively(self) -> bool:
        """True if files are loaded without validation."""
        return self.loader is Loader.NATIVE and self.format.has_native_loader
