"""Options of Spark's readers: those equivalent to metadata keys, and those without effect on rows."""

from __future__ import annotations

from ai.starlake.project import Metadata

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
