"""XML: the elements with one name are the rows; their contents become JSON-like documents."""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.raw_rows import RawRows
from ai.starlake.embedded.intake.formats.encodings import text_of, wrong_encoding, xml_encoding
from ai.starlake.embedded.intake.formats.file_format import FileFormat
from ai.starlake.embedded.intake.formats.json_documents import documents
from ai.starlake.embedded.intake.formats.json_places import documents_of, explained
from ai.starlake.embedded.intake.formats.reader_options import WrongSetting, encoding_of, is_irrelevant, option
from ai.starlake.embedded.intake.formats.text import contains, fresh, unpacked
from ai.starlake.project import Attribute, Table

if TYPE_CHECKING:
    from lxml.etree import XMLSyntaxError
    from lxml.etree import _Element as Element

    from ai.starlake.embedded.database.connection import Database

logger = logging.getLogger(__name__)

_OPTIONS = {"rowtag", "attributeprefix", "valuetag", "encoding", "charset", "ignoresurroundingspaces"}
_IRRELEVANT = {"roottag", "skipvalidation", "ignorenamespace", "arrayelementname"}
"""Options for writing, for former versions, or without effect."""


class Xml(FileFormat):
    """Elements with one name."""

    def wrong_settings(self, table: Table) -> Iterator[WrongSetting]:
        """Yield unknown options, a missing ``rowTag``, and an unknown encoding."""
        fix = "set rowTag to the element that is a row; attributePrefix and valueTag are known besides"
        for name, value in table.metadata.options.items():
            if name.lower() not in _OPTIONS | _IRRELEVANT and not is_irrelevant(name, value):
                message = f"the option {name!r} of {table.full_name} is unknown"
                yield WrongSetting(("metadata", "options", name), message, fix)
        if not option(table.metadata, "rowtag"):
            yield WrongSetting(("metadata", "options"), f"the option rowTag of {table.full_name} is missing", fix)
        yield from wrong_encoding(table)

    def read(self, _database: Database, table: Table, file: Path, scratch: Path) -> RawRows:
        """Return the query that reads an XML file. The file is read as a stream, one row in memory at a time.

        Attributes of an element are fields with a prefix, its text beside attributes a field of its own, as in Spark's
        reader: ``_`` and ``_VALUE`` unless the options ``attributePrefix`` and ``valueTag`` are set.

        Raises:
            StarlakeError: If the file is not valid XML, or refers to an entity that is not in it.
        """
        options = {name.lower(): value for name, value in table.metadata.options.items()}
        names = XmlNames.of(options)
        target = fresh(scratch, ".jsonl")
        lines = array("Q")
        with target.open("w", encoding="utf-8") as out:
            for element in _elements(file, _text(table, file, scratch), options["rowtag"]):
                line: Any = element.sourceline
                lines.append(line or 0)
                document = _object(element, table.attributes, names)
                out.write(json.dumps(document, ensure_ascii=False) + "\n")
        rows = documents(table, file, target, "newline_delimited")
        found = partial(_with_lines, target, lines)
        return replace(
            rows,
            lines=lambda places, _: [lines[place] for place in places],
            explain=partial(explained, file, found, table.attributes),
        )

    def replayed(self, table: Table, header: str | None, records: Iterable[str]) -> Iterator[str]:
        """Yield an XML document of rejected rows."""
        from lxml import etree

        _ = header
        options = {name.lower(): value for name, value in table.metadata.options.items()}
        root, row = options.get("roottag") or table.name, options.get("rowtag", "")
        names = XmlNames.of(options)
        yield f"<{root}>"
        for record in records:
            element = etree.Element(row)
            _fill(element, json.loads(record), names)
            etree.indent(element, space="    ", level=1)
            yield "    " + etree.tostring(element, encoding="unicode")
        yield f"</{root}>"


def _with_lines(target: Path, lines: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """Yield the documents with the lines of their elements."""
    documents = documents_of(target, "newline_delimited")
    return ((line, document) for line, (_, document) in zip(lines, documents, strict=True))


@dataclass(frozen=True)
class XmlNames:
    """Mapping between elements and fields."""

    prefix: str
    """Prefix of the names of XML attributes."""
    value: str
    """Name of the text beside XML attributes."""
    strips: bool
    """True if blanks around values are dropped."""

    @classmethod
    def of(cls, options: Mapping[str, str]) -> XmlNames:
        """Return the mapping for the options of a table, with names in lower case."""
        strips = options.get("ignoresurroundingspaces", "").lower() == "true"
        return cls(options.get("attributeprefix", "_"), options.get("valuetag", "_VALUE"), strips)

    def text(self, element: Element) -> str:
        """Return the text between the tags of an element, unchanged nested elements included, without comments."""
        text = _inner(element)
        return text.strip() if self.strips else text


def _inner(element: Element) -> str:
    from lxml import etree

    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            parts.append(etree.tostring(child, encoding="unicode", with_tail=False))
        parts.append(child.tail or "")
    return "".join(parts)


def _text(table: Table, file: Path, scratch: Path) -> Path:
    content = unpacked(file, scratch)
    encoding = xml_encoding(content, encoding_of(table.metadata))
    return text_of(file, table.metadata, scratch, encoding)


def _elements(file: Path, content: Path, row_tag: str) -> Iterator[Element]:
    """Yield the elements that are rows, with the default attributes of the document type in the file.

    Nothing outside the file is read. lxml refuses a reference to an entity that is not defined in the file; an external
    document type is ignored with a warning.
    """
    from lxml import etree

    if content.stat().st_size == 0:
        return
    try:
        events = etree.iterparse(
            str(content),
            events=("end",),
            resolve_entities="internal",
            no_network=True,
            attribute_defaults=True,
            huge_tree=not contains(content, "<!ENTITY"),  # without limits, recursive entities would fill the memory
            recover=False,
            encoding="UTF-8",
        )
        events.resolvers.add(_outside(file))
        for _, element in events:
            if isinstance(element.tag, str) and etree.QName(element).localname == row_tag:
                yield element
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise _unreadable(file, error) from error


def _outside(file: Path) -> Any:
    """Return a resolver that reads nothing, and warns."""
    from lxml import etree

    class Resolver(etree.Resolver):
        def resolve(self, system_url: str, public_id: str, context: Any) -> Any:  # type: ignore[override]  # noqa: ARG002
            logger.warning(
                "%s: the document type %s is not read; values that it gives by default are missing",
                file.name,
                system_url.rpartition("/")[2],
            )
            return self.resolve_string("<!-- -->", context, base_url=None)

    return Resolver()


def _unreadable(file: Path, error: XMLSyntaxError) -> StarlakeError:
    message = str(error.msg)
    if message.startswith("Entity"):
        return StarlakeError(
            f"{file.name} refers to an entity that is not in the file (line {error.lineno})",
            cause=f"{message}; text from outside a file is not read",
            fix="write the text of the entity into the file",
        )
    return StarlakeError(f"{file.name} is not valid XML (line {error.lineno})", cause=message, fix="correct the file")


def _object(element: Element, attributes: tuple[Attribute, ...], names: XmlNames) -> dict[str, Any]:
    """Return the fields of an element; a declared array is a list, and so is a repeated element."""
    from lxml import etree

    declared = {attribute.name: attribute for attribute in attributes}
    found: dict[str, Any] = {names.prefix + etree.QName(name).localname: text for name, text in element.attrib.items()}
    for child in element:
        if not isinstance(child.tag, str):
            continue
        name = etree.QName(child).localname
        attribute = declared.get(name)
        value = _value(child, attribute, names)
        if attribute is not None and attribute.array:
            found.setdefault(name, []).append(value)
        elif name in found:
            found[name] = [*found[name], value] if isinstance(found[name], list) else [found[name], value]
        else:
            found[name] = value
    text = (element.text or "").strip()
    if text and names.value in declared:
        found[names.value] = text
    return found


def _value(element: Element, attribute: Attribute | None, names: XmlNames) -> Any:
    if attribute is None or attribute.type == "variant":
        is_object = any(isinstance(child.tag, str) for child in element)
    else:
        is_object = attribute.is_struct
    return _object(element, attribute.attributes if attribute else (), names) if is_object else names.text(element)


def _fill(element: Element, document: dict[str, Any], names: XmlNames) -> None:
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
