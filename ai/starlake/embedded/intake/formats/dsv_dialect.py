"""Dialects of DSV files, from the metadata of a table and the options of Spark's reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ai.starlake.embedded.intake.formats.reader_options import (
    WrongSetting,
    is_irrelevant,
    is_multiline,
    option,
    setting_of,
)
from ai.starlake.project import Metadata, Table

_SUPPORTED = ("skipRows", "comment", "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace")
_SAME_AS_KEY = {
    "sep": "separator",
    "delimiter": "separator",
    "quote": "quote",
    "escape": "escape",
    "header": "withHeader",
    "encoding": "encoding",
    "charset": "encoding",
    "multiline": "multiline",
    "nullvalue": "nullValue",
}


@dataclass(frozen=True)
class Dialect:
    """The dialect of a DSV file."""

    separator: str
    quote: str
    escape: str
    header: bool
    multiline: bool
    comment: str
    skip: int
    null_value: str | None
    strip: str
    """Blanks around unquoted values that the reader drops: '', 'l', 'r' or 'lr'."""

    @classmethod
    def of(cls, table: Table) -> Dialect:
        """Return the dialect of a table's files, whose settings are not wrong."""
        metadata = table.metadata
        options = {name.lower(): value for name, value in metadata.options.items()}
        leading, trailing = (
            options.get(f"ignore{side}whitespace", "").lower() == "true" for side in ("leading", "trailing")
        )
        return cls(
            separator=_separator(metadata),
            quote=_quote(metadata),
            escape=options.get("escape", metadata.escape),
            header=options.get("header", str(metadata.with_header)).lower() == "true",
            multiline=is_multiline(metadata),
            comment=options.get("comment", ""),
            skip=int(options.get("skiprows", "0")),
            null_value=options.get("nullvalue", metadata.null_value),
            strip=("l" if leading else "") + ("r" if trailing else ""),
        )


def wrong_dialect(table: Table) -> Iterator[WrongSetting]:
    """Yield the settings of a DSV table that are unknown, or that no file can be read with."""
    known = {*_SAME_AS_KEY, *(one.lower() for one in _SUPPORTED)}
    for name, value in table.metadata.options.items():
        path = ("metadata", "options", name)
        if name.lower() not in known and not is_irrelevant(name, value):
            yield WrongSetting(
                path,
                f"the option {name!r} of {table.full_name} is not supported: the embedded engine does not know what "
                "Spark's reader would do with it",
                f"remove it, or use one of {', '.join(_SUPPORTED)}, or a key of metadata such as nullValue",
            )
        elif name.lower() == "skiprows" and not value.strip().isdecimal():
            message = f"the option skipRows of {table.full_name} is {value!r}"
            yield WrongSetting(path, message, "give it a number of lines, such as 2")
    separator, where = _separator(table.metadata), setting_of(table, "separator", "sep", "delimiter")
    if not separator or "\n" in separator or "\r" in separator:
        what = "contains a line break" if separator else "is empty"
        message = f"the separator of {table.full_name} {what}"
        yield WrongSetting(where, message, "set it to the characters between two values of a line, such as ;")
    elif separator == _quote(table.metadata):
        message = f"the separator and the quote of {table.full_name} are both {separator!r}"
        yield WrongSetting(where, message, "give one of them another character; quote: '' is for files without quotes")


def _separator(metadata: Metadata) -> str:
    return option(metadata, "sep") or option(metadata, "delimiter") or _unescaped(metadata.separator)


def _quote(metadata: Metadata) -> str:
    options = {name.lower(): value for name, value in metadata.options.items()}
    return options.get("quote", metadata.quote)


def _unescaped(separator: str) -> str:
    r"""Return a separator that a YAML file writes as ``\t`` or ``\u0001`` without double quotes."""
    return re.sub(
        r"\\(t|u[0-9a-fA-F]{4}|\||\\)",
        lambda found: {"t": "\t", "|": "|", "\\": "\\"}.get(found[1]) or chr(int(found[1][1:], 16)),
        separator,
    )
