"""Dialects of DSV files, from the metadata of a table and the options of Spark's reader."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.intake.formats.reader_options import is_irrelevant, is_multiline
from ai.starlake.project import Table

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
        """Return the dialect of a table's files.

        Raises:
            StarlakeError: If an option is unknown, or must be a number and is not.
        """
        metadata = table.metadata
        options = {name.lower(): value for name, value in metadata.options.items()}
        for name in metadata.options:
            _check_option(table, name)
        leading, trailing = (
            options.get(f"ignore{side}whitespace", "").lower() == "true" for side in ("leading", "trailing")
        )
        return cls(
            separator=options.get("sep") or options.get("delimiter") or _unescaped(metadata.separator),
            quote=options.get("quote", metadata.quote),
            escape=options.get("escape", metadata.escape),
            header=options.get("header", str(metadata.with_header)).lower() == "true",
            multiline=is_multiline(metadata),
            comment=options.get("comment", ""),
            skip=_number(table, options.get("skiprows", "0")),
            null_value=options.get("nullvalue", metadata.null_value),
            strip=("l" if leading else "") + ("r" if trailing else ""),
        )


def _check_option(table: Table, name: str) -> None:
    known = {*_SAME_AS_KEY, *(one.lower() for one in _SUPPORTED)}
    if name.lower() in known or is_irrelevant(name, table.metadata.options[name]):
        return
    raise StarlakeError(
        f"the option {name!r} of {table.full_name} is not supported" + (f" ({table.file})" if table.file else ""),
        cause="the embedded engine does not know what Spark's reader would do with it",
        fix=f"remove it, or use one of {', '.join(_SUPPORTED)}, or a key of metadata such as nullValue",
    )


def _number(table: Table, value: str) -> int:
    if not value.strip().isdecimal():
        raise StarlakeError(
            f"the option skipRows of {table.full_name} is {value!r}" + (f" ({table.file})" if table.file else ""),
            fix="give it a number of lines, such as 2",
        )
    return int(value)


def _unescaped(separator: str) -> str:
    r"""Return a separator that a YAML file writes as ``\t`` or ``\u0001`` without double quotes."""
    return re.sub(
        r"\\(t|u[0-9a-fA-F]{4}|\||\\)",
        lambda found: {"t": "\t", "|": "|", "\\": "\\"}.get(found[1]) or chr(int(found[1][1:], 16)),
        separator,
    )
