"""Options of Spark's readers: those equivalent to metadata keys, and those without effect on rows."""

from __future__ import annotations

from dataclasses import dataclass

from ai.starlake.project import Metadata, Table

_OF_ANY_VALUE = frozenset(
    {
        "columnnameofcorruptrecord",
        "dateformat",
        "enforceschema",
        "inferschema",
        "locale",
        "maxcharspercolumn",
        "maxcolumns",
        "parserlib",
        "preferdate",
        "prefersdecimal",
        "primitivesasstring",
        "samplingratio",
        "timestampformat",
        "timestampntzformat",
    }
)
"""They infer or parse types, which the types of the attributes do here, or are limits that are never reached."""

_OF_ONE_VALUE = {"mode": {"permissive"}, "linesep": {"\n", "\\n"}}


def is_irrelevant(name: str, value: str) -> bool:
    """Return True if an option can be ignored without changing the rows.

    Args:
        name: The option's name, in any case.
        value: Its value.
    """
    name = name.lower()
    return name in _OF_ANY_VALUE or value.lower() in _OF_ONE_VALUE.get(name, ())


@dataclass(frozen=True)
class WrongSetting:
    """A setting of a table with which no file can be read.

    Args:
        path: Its key within ``table``.
        message: The problem.
        fix: The fix.
    """

    path: tuple[str | int, ...]
    message: str
    fix: str


def setting_of(table: Table, key: str, *options: str) -> tuple[str, ...]:
    """Return the path of a setting within ``table``: that of the option that takes precedence, else that of the key.

    Args:
        table: The table.
        key: The key of the metadata.
        options: Names of the option, in lower case.
    """
    given = {name.lower(): name for name, value in table.metadata.options.items() if value}
    name = next((given[each] for each in options if each in given), None)
    return ("metadata", key) if name is None else ("metadata", "options", name)


def option(metadata: Metadata, *names: str) -> str | None:
    """Return the value of an option by one of its names, in lower case; None if the table does not set it."""
    options = {name.lower(): value for name, value in metadata.options.items()}
    return next((options[name] for name in names if options.get(name)), None)


def encoding_of(metadata: Metadata) -> str:
    """Return the encoding of a table's files; the option takes precedence over the key, as in Starlake."""
    return option(metadata, "encoding", "charset") or metadata.encoding


def is_multiline(metadata: Metadata) -> bool:
    """Return True if rows or documents may span lines; the option takes precedence over the key, as in Starlake."""
    return (option(metadata, "multiline") or str(metadata.multiline)).lower() == "true"
