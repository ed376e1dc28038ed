"""Rejected rows as they stand in a file that can be loaded again, in the format of the table (contract 4.6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ai.starlake.project import Format, Table

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ai.starlake.embedded.intake.formats.xml import Names


def replayed(table: Table, header: str | None, records: Iterable[str]) -> Iterator[str]:
    """The lines of a file of rejected rows.

    Args:
        table: The table.
        header: The line above the rows of its files, None when its format has none.
        records: The rows, as `RawRows` hands them on. Those of XML are documents, and those of PARQUET stay so.
    """
    write = _WRITERS.get(table.metadata.format)
    if write is None:
        yield from () if header is None else (header,)
        yield from records
    else:
        yield from write(table, records)


def _json(table: Table, records: Iterable[str]) -> Iterator[str]:
    """Documents as Spark writes them: keys in order, no blanks, no nulls."""
    documents = map(_line, records)
    if not table.metadata.array:
        yield from documents
        return
    yield "["
    yield from (f",{line}" if number else line for number, line in enumerate(documents))
    yield "]"


def _line(record: str) -> str:
    return json.dumps(_present(json.loads(record)), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(one) for name, one in value.items() if one is not None}
    return [_present(one) for one in value] if isinstance(value, list) else value


def _xml(table: Table, records: Iterable[str]) -> Iterator[str]:
    from lxml import etree

    from ai.starlake.embedded.intake.formats.xml import Names

    options = {name.lower(): value for name, value in table.metadata.options.items()}
    root, row = options.get("roottag") or table.name, options.get("rowtag", "")
    names = Names.of(options)
    yield f"<{root}>"
    for record in records:
        element = etree.Element(row)
        _fill(element, json.loads(record), names)
        etree.indent(element, space="    ", level=1)
        yield "    " + etree.tostring(element, encoding="unicode")
    yield f"</{root}>"


def _fill(element: Element, document: dict[str, Any], names: Names) -> None:
    from lxml import etree

    for name, value in document.items():
        if name == names.value:
            element.text = value
        elif isinstance(value, str) and names.prefix and name.startswith(names.prefix):
            element.set(name.removeprefix(names.prefix), value)
        else:
            for one in value if isinstance(value, list) else [value]:
                child = etree.SubElement(element, name)
                if isinstance(one, dict):
                    _fill(child, one, names)
                else:
                    child.text = one


_WRITERS: dict[Format, Callable[[Table, Iterable[str]], Iterator[str]]] = {
    Format.JSON: _json,
    Format.JSON_FLAT: _json,
    Format.XML: _xml,
}
