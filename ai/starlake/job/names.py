"""The words by which generated DAG files name orchestrators, execution environments, modes and kinds of tasks."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from ai.starlake.common import StarlakeError

WordT = TypeVar("WordT", bound="_Word")


class _Word(str, Enum):
    """A word out of a few; its text is its value, as in Starlake's own package."""

    @classmethod
    def of(cls: type[WordT], word: WordT | str) -> WordT:
        """Reads a word; case does not matter.

        Raises:
            StarlakeError: If it is none of them.
        """
        text = word.value if isinstance(word, cls) else str(word)
        try:
            return cls(text.strip().lower())
        except ValueError:
            raise StarlakeError(
                f"{text!r} is not a valid {cls.__name__}", fix=f"use one of {', '.join(known.value for known in cls)}"
            ) from None

    @classmethod
    def from_str(cls: type[WordT], value: str) -> WordT:
        """Reads a word, under the name that Starlake's own package has for it."""
        return cls.of(value)

    def __str__(self) -> str:
        return str(self.value)


class StarlakeOrchestrator(_Word):
    """Who runs pipelines. This package knows Dagster; the others are named so that an error can say so."""

    AIRFLOW = "airflow"
    DAGSTER = "dagster"
    SNOWFLAKE = "snowflake"
    STARLAKE = "starlake"


class StarlakeExecutionEnvironment(_Word):
    """Where commands run; ``embedded`` is this package's own."""

    CLOUD_RUN = "cloud_run"
    DATAPROC = "dataproc"
    EMBEDDED = "embedded"
    FARGATE = "fargate"
    SHELL = "shell"
    SQL = "sql"


class StarlakeExecutionMode(_Word):
    """How a pipeline is run from the command line."""

    DRY_RUN = "dry_run"
    RUN = "run"
    BACKFILL = "backfill"


class TaskType(_Word):
    """What a task is for."""

    START = "start"
    PRELOAD = "preload"
    IMPORT = "import"
    STAGE = "stage"
    LOAD = "load"
    TRANSFORM = "transform"
    EMPTY = "empty"
    END = "end"
