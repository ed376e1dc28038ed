"""Enumerations in Starlake's metadata.

Case never matters in the files; the values have the spelling of Starlake's documentation.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Word(str, Enum):
    """One of a fixed set of values, found ignoring case; its error lists the accepted values."""

    @classmethod
    def spellings(cls) -> dict[str, str]:
        """Return other spellings: upper-case spelling to value."""
        return {}

    @classmethod
    def parse(cls, value: object) -> Word:
        """Return the member for a value from a file.

        Args:
            value: A member, or its spelling in any case.

        Raises:
            PydanticCustomError: If the value is not a member; the message lists the members.
        """
        if isinstance(value, cls):
            return value
        text = str(value).strip().upper()
        text = cls.spellings().get(text, text)
        for member in cls:
            if member.value.upper() == text:
                return member
        raise PydanticCustomError(
            "word",
            "{found} is not accepted here; accepted are {accepted}",
            {"found": repr(value), "accepted": ", ".join(member.value for member in cls)},
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with `parse`, and write the plain value."""
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda word: word.value)
        )

    def __str__(self) -> str:
        """Return the name in the spelling of Starlake's documentation."""
        return str(self.value)


class Format(Word):
    """Format of the records of a file. ``JSON_ARRAY`` reads as ``JSON``, ``FIXED`` as ``POSITION``."""

    DSV = "DSV"
    JSON = "JSON"
    JSON_FLAT = "JSON_FLAT"
    POSITION = "POSITION"
    XML = "XML"
    TEXT_XML = "TEXT_XML"
    PARQUET = "PARQUET"
    GENERIC = "GENERIC"
    KAFKA = "KAFKA"
    KAFKASTREAM = "KAFKASTREAM"

    @classmethod
    def spellings(cls) -> dict[str, str]:
        """Return the older names of members."""
        return {"JSON_ARRAY": "JSON", "SIMPLE_JSON": "JSON_FLAT", "FIXED": "POSITION"}

    @property
    def needs_positions(self) -> bool:
        """True if every attribute must have a position in a line."""
        return self is Format.POSITION

    @property
    def has_native_loader(self) -> bool:
        """True if ``loader: native`` skips validation; files of other formats are always validated."""
        return self in {Format.DSV, Format.JSON, Format.JSON_FLAT, Format.POSITION}


class Loader(Word):
    """Reader of the files: Spark with full validation, or the database itself without."""

    SPARK = "spark"
    NATIVE = "native"


class MergeOn(Word):
    """True if a merge also removes duplicates within the incoming rows."""

    TARGET = "TARGET"
    SOURCE_AND_TARGET = "SOURCE_AND_TARGET"


class Trim(Word):
    """Blanks around a value that are dropped."""

    LEFT = "LEFT"
    RIGHT = "RIGHT"
    BOTH = "BOTH"
    NONE = "NONE"


class PrimitiveType(Word):
    """Type in memory, independent of its pattern."""

    STRING = "string"
    VARIANT = "variant"
    LONG = "long"
    INT = "int"
    SHORT = "short"
    BYTE = "byte"
    DOUBLE = "double"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    STRUCT = "struct"


class Materialization(Word):
    """Result of a task in the database."""

    TABLE = "TABLE"
    VIEW = "VIEW"
    MATERIALIZED_VIEW = "MATERIALIZED_VIEW"
    HYBRID = "HYBRID"


class UndefinedVariables(Word):
    """Treatment of an undefined variable in a template."""

    ERROR = "error"
    WARN = "warn"
    """The variable is empty, with a warning."""
    EMPTY = "empty"
    """The variable is empty, as in Starlake."""


class UnknownKeys(Word):
    """Treatment of unknown keys in a metadata file."""

    ERROR = "error"
    WARN = "warn"
    """The key is ignored, with a warning."""
    IGNORE = "ignore"
    """The key is ignored, as by Starlake."""


class SyncStrategy(Word):
    """Synchronisation of the columns of a task's table with its attributes."""

    NONE = "NONE"
    ADD = "ADD"
    ALL = "ALL"


class MetricType(Word):
    """Statistics of an attribute."""

    DISCRETE = "DISCRETE"
    CONTINUOUS = "CONTINUOUS"
    TEXT = "TEXT"
    NONE = "NONE"
