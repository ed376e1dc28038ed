"""The words that Starlake's metadata accepts where it accepts only certain words.

Case never matters in the files; the values here are spelled as Starlake's documentation spells them.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Word(str, Enum):
    """A value out of a fixed set, found without regard to case; its error lists what is accepted."""

    @classmethod
    def spellings(cls) -> dict[str, str]:
        """Other spellings that mean one of the values: upper-case spelling to value."""
        return {}

    @classmethod
    def parse(cls, value: object) -> Word:
        """Find the member that a value from a file stands for.

        Args:
            value: A member, or its spelling in any case.

        Raises:
            PydanticCustomError: If the value is no member; the message lists the members.
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
        """Return the name as Starlake's documentation spells it."""
        return str(self.value)


class Format(Word):
    """How the records of a file are laid out. ``JSON_ARRAY`` reads as ``JSON``, ``FIXED`` as ``POSITION``."""

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
        """True if every attribute must say where its values stand in a line."""
        return self is Format.POSITION

    @property
    def has_native_loader(self) -> bool:
        """True if ``loader: native`` skips validation; files of other formats are validated all the same."""
        return self in {Format.DSV, Format.JSON, Format.JSON_FLAT, Format.POSITION}


class Loader(Word):
    """Who reads the files: Spark with full validation, or the database itself without."""

    SPARK = "spark"
    NATIVE = "native"


class MergeOn(Word):
    """True if a merge also removes duplicates within the incoming rows."""

    TARGET = "TARGET"
    SOURCE_AND_TARGET = "SOURCE_AND_TARGET"


class Trim(Word):
    """Which blanks around a value are dropped."""

    LEFT = "LEFT"
    RIGHT = "RIGHT"
    BOTH = "BOTH"
    NONE = "NONE"


class PrimitiveType(Word):
    """What a type is in memory, whatever its pattern."""

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
    """What a task leaves in the database."""

    TABLE = "TABLE"
    VIEW = "VIEW"
    MATERIALIZED_VIEW = "MATERIALIZED_VIEW"
    HYBRID = "HYBRID"


class UndefinedVariables(Word):
    """What a variable that a template uses and nobody defines means."""

    ERROR = "error"
    WARN = "warn"
    """It is empty, and a warning says so."""
    EMPTY = "empty"
    """It is empty, as for Starlake."""


class UnknownKeys(Word):
    """What a key of a metadata file that nobody reads means."""

    ERROR = "error"
    WARN = "warn"
    """It is ignored, and a warning says so."""
    IGNORE = "ignore"
    """It is ignored, as by Starlake."""


class SyncStrategy(Word):
    """How the columns of a task's table follow its attributes."""

    NONE = "NONE"
    ADD = "ADD"
    ALL = "ALL"


class MetricType(Word):
    """Which statistics are computed for an attribute."""

    DISCRETE = "DISCRETE"
    CONTINUOUS = "CONTINUOUS"
    TEXT = "TEXT"
    NONE = "NONE"
