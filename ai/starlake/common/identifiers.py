"""Conversion of Starlake names to names that Dagster accepts."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Hashable
from pathlib import PurePath

from ai.starlake.common.errors import NameCollisionError, StarlakeError

_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]")

RESERVED_NAMES = frozenset(
    {
        "context",
        "conf",
        "config",
        "meta",
        "arg_dict",
        "dict",
        "input_arg_dict",
        "output_arg_dict",
        "int",
        "str",
        "float",
    }
    | {"bool", "input", "output", "type", *keyword.kwlist}
)
"""Names that Dagster refuses although their characters are valid."""


def sanitize_id(id: str) -> str:  # noqa: A002  the parameter's name is part of the public contract
    """Return the name that Dagster accepts for an op, graph, job, group or check, for a Starlake name.

    Letters lose their accents; every character that is not a letter, a digit or an underscore becomes an underscore.
    Case is kept: the sensors of generated DAG files search for exactly this name. A name that Dagster reserves gets an
    underscore.

    Args:
        id: Any name, such as ``domain.table``.

    Returns:
        A name that matches ``^[A-Za-z0-9_]+$``.

    Raises:
        StarlakeError: If the name is empty.

    >>> sanitize_id("Customers.CustomerLifeTimeValue")
    'Customers_CustomerLifeTimeValue'
    """
    if not id:
        raise StarlakeError("the name is empty", fix="give the domain, table or task a name")
    name = _NOT_A_NAME.sub("_", id if id.isascii() else _without_accents(id)) or "_"
    return f"{name}_" if name in RESERVED_NAMES else name


def job_name(filename: str, schedule: str | None = None) -> str:
    """Return the name of the job of a DAG file.

    Args:
        filename: The file.
        schedule: The name of its schedule; None if the file has one job only.

    Raises:
        StarlakeError: If the file has no name.

    >>> job_name("dags/Sales-load.py", "daily")
    'sales_load_daily'
    """
    stem = sanitize_id(PurePath(filename).name.removesuffix(".pyc").removesuffix(".py").lower())
    return f"{stem}_{sanitize_id(schedule)}" if schedule else stem


def _without_accents(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(character for character in plain if not unicodedata.combining(character))


class NameRegistry:
    """The source of each derived name; a second source for a name is an error that names both.

    Dagster itself also refuses two definitions with the same name, but does not name their Starlake names.
    """

    def __init__(self) -> None:
        self._owners: dict[str, tuple[Hashable, str]] = {}

    def claim(self, name: str, source: Hashable, label: str) -> None:
        """Reserve a name for a source.

        Args:
            name: The derived name.
            source: The Starlake name that it is derived from; equal sources may share a name.
            label: Description of the source in an error message.

        Raises:
            NameCollisionError: If another source has the name.
        """
        owner, owner_label = self._owners.setdefault(name, (source, label))
        if owner != source:
            raise NameCollisionError(name, owner_label, label)
