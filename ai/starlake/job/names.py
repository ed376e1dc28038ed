"""Names of orchestrators, environments, modes and kinds of tasks in DAG files."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection, Iterable
from enum import Enum, EnumMeta
from typing import Any, TypeVar

from ai.starlake.common import StarlakeError
from ai.starlake.common.plug_ins import EXECUTORS, ORCHESTRATORS, plug_ins

WordT = TypeVar("WordT", bound="JobWord")


class JobWord(str, Enum):
    """One of a fixed set of words; its value is the same as in Starlake's own package."""

    @classmethod
    def of(cls: type[WordT], word: WordT | str) -> WordT:
        """Return the member for a word, ignoring case.

        Args:
            word: A member, or its name.

        Raises:
            StarlakeError: If there is no such member.
        """
        text = word.value if isinstance(word, cls) else str(word)
        try:
            return cls(text.strip().lower())
        except ValueError:
            raise StarlakeError(
                cls._complaint(text), fix=f"use one of {', '.join(known.value for known in cls)}"
            ) from None

    @classmethod
    def from_str(cls: type[WordT], value: str) -> WordT:
        """Return the member for a word; the name of this method in Starlake's own package.

        Args:
            value: The name of a member.

        Raises:
            StarlakeError: If there is no such member.
        """
        return cls.of(value)

    @classmethod
    def _complaint(cls, text: str) -> str:
        return f"{text!r} is not a valid {cls.__name__}"

    def __str__(self) -> str:
        return str(self.value)


class _OpenWords(EnumMeta):
    """Members from installed packages besides the fixed ones: ``StarlakeExecutionEnvironment.OWN``."""

    def __getattr__(cls, name: str) -> Any:
        """Return the member of an installed package.

        Raises:
            AttributeError: If there is no such member.
        """
        members = cls.__dict__.get("_member_map_", {})  # up to Python 3.11, members are found here only
        word = members.get(name)
        if word is None and members and name.isupper() and not name.startswith("_"):
            word = cls._missing_(name)
        if word is None:
            raise AttributeError(f"{name} is not a valid {cls.__name__}")
        return word


class _OpenWord(JobWord, metaclass=_OpenWords):
    """A word of a fixed set, or one that an installed package adds."""

    @classmethod
    def _installed(cls) -> Collection[str]:
        """Return the words that installed packages add."""
        raise NotImplementedError

    @classmethod
    def _missing_(cls, value: object) -> Any:
        """Return the member of an installed package, always the same object; None if no package adds this word."""
        text = str(value).strip().lower()
        return _added(cls, text) if text in cls._installed() else None


@functools.cache
def _added(kind: type[WordT], text: str) -> WordT:
    word = str.__new__(kind, text)
    word._name_, word._value_ = text.upper(), text
    return word


class StarlakeOrchestrator(_OpenWord):
    """Orchestrators of pipelines. Some exist only so that an error can say that they are not supported."""

    AIRFLOW = "airflow"
    DAGSTER = "dagster"
    SNOWFLAKE = "snowflake"
    STARLAKE = "starlake"

    @classmethod
    def _installed(cls) -> Collection[str]:
        return plug_ins(ORCHESTRATORS)


class StarlakeExecutionEnvironment(_OpenWord):
    """Execution environments of commands. Some exist only so that an error can say that they are not supported."""

    CLOUD_RUN = "cloud_run"
    DATAPROC = "dataproc"
    EMBEDDED = "embedded"
    FARGATE = "fargate"
    SHELL = "shell"
    SQL = "sql"
    WARM = "warm"

    @classmethod
    def _installed(cls) -> Collection[str]:
        return {name.partition(".")[2] for name in plug_ins(EXECUTORS)}


class StarlakeExecutionMode(JobWord):
    """Ways to run a pipeline from the command line."""

    DRY_RUN = "dry_run"
    RUN = "run"
    BACKFILL = "backfill"


class TaskType(JobWord):
    """Kinds of tasks."""

    START = "start"
    PRELOAD = "preload"
    IMPORT = "import"
    STAGE = "stage"
    LOAD = "load"
    TRANSFORM = "transform"
    EMPTY = "empty"
    END = "end"


PROFILE_NAME = re.compile(r"[a-z](?:[a-z0-9_-]{0,29}[a-z0-9])?")


class InvalidComputeError(ValueError):
    """The profiles of the option `compute` are invalid; the message names the profile, the field and the value."""


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to another one; None if none is similar."""
    return next(iter(difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)), None)
