"""Options of Spark's readers that say nothing about the rows a file has."""

from __future__ import annotations

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
"""They guess or parse types, which the types of the attributes do here, or are limits that nobody meets."""

_OF_ONE_VALUE = {"mode": {"permissive"}, "linesep": {"\n", "\\n"}}


def is_irrelevant(name: str, value: str) -> bool:
    """Whether an option can be left out without changing the rows.

    Args:
        name: The option's name, in any case.
        value: Its value.
    """
    name = name.lower()
    return name in _OF_ANY_VALUE or value.lower() in _OF_ONE_VALUE.get(name, ())
