"""Structs and arrays: their column types, their values and their errors, to any depth, out of JSON.

Everything is an expression over a JSON value, so that a struct in an array of structs needs no rows of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from ai.starlake.embedded.datatypes import column_type, text_check
from ai.starlake.embedded.sql import identifier, literal
from ai.starlake.project import Attribute, PrimitiveType, TypeDefinition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ai.starlake.embedded.rejects import ErrorTexts

Lookup = Callable[[Attribute], TypeDefinition]


@dataclass(frozen=True)
class Checked:
    """A value and what is wrong with it, both as SQL; no error text when nothing can be wrong."""

    value: str
    error: str | None


def struct_type(attribute: Attribute, lookup: Lookup) -> str:
    """The DuckDB type of a struct, of an array of structs, or of a field."""
    if attribute.is_struct:
        fields = ", ".join(
            f"{identifier(field.final_name)} {struct_type(field, lookup)}" for field in _fields(attribute)
        )
        name = f"STRUCT({fields})"
    else:
        name = column_type(lookup(attribute), declared=False)
    return f"{name}[]" if attribute.array else name


def member(document: str, name: str) -> str:
    """SQL of a member of a JSON object, by its exact name."""
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    return f"json_extract({document}, {literal(pointer)})"


def scalar_text(attribute: Attribute, value: str) -> str:
    """SQL of the text of a JSON scalar; an object or array where a scalar should be fails the file (contract 4.1)."""
    wrong = _wrong_shape(literal(attribute.name), attribute.type, value)
    return f"CASE WHEN json_type({value}) IN ('OBJECT', 'ARRAY') THEN {wrong} ELSE {value} ->> '$' END"


def checked(attribute: Attribute, value: str, lookup: Lookup, texts: ErrorTexts) -> Checked:
    """Value and error of a struct or array that stands at the top of a table.

    Args:
        attribute: The attribute.
        value: SQL of its JSON.
        lookup: Finds the type of an attribute.
        texts: Writes error texts.
    """
    return _Nesting(lookup, texts, count()).any(attribute, value, literal(attribute.name))


class _Nesting:
    """One walk down an attribute; the names of lambda parameters must differ from level to level."""

    def __init__(self, lookup: Lookup, texts: ErrorTexts, numbers: Iterator[int]) -> None:
        self._lookup = lookup
        self._texts = texts
        self._numbers = numbers

    def any(self, attribute: Attribute, value: str, path: str) -> Checked:
        """An attribute of any shape."""
        return self._array(attribute, value, path) if attribute.array else self._one(attribute, value, path)

    def _array(self, attribute: Attribute, value: str, path: str) -> Checked:
        number = next(self._numbers)
        element, place = f"e{number}", f"i{number}"
        one = self._one(attribute, element, f"concat({path}, '[', {place} - 1, ']')")
        fits = f"json_type({value}) = 'ARRAY'"
        items = f"CASE WHEN {value} IS NULL OR json_type({value}) = 'NULL' THEN NULL WHEN {fits} THEN json_extract({value}, '$[*]') "
        items += f"ELSE {_wrong_shape(path, 'ARRAY', value)} END"
        result = f"list_transform({items}, lambda {element}, {place}: {one.value})"
        missing = self._missing(attribute, value, path)
        if one.error is None:
            return Checked(result, missing)
        errors = f"list_transform({items}, lambda {element}, {place}: {one.error})"
        joined = f"nullif(array_to_string(list_filter({errors}, lambda x{number}: x{number} IS NOT NULL), chr(10)), '')"
        return Checked(result, f"coalesce({missing}, {joined})" if missing else joined)

    def _one(self, attribute: Attribute, value: str, path: str) -> Checked:
        return self._struct(attribute, value, path) if attribute.is_struct else self._scalar(attribute, value, path)

    def _struct(self, attribute: Attribute, value: str, path: str) -> Checked:
        fields = [
            (field, self.any(field, member(value, field.name), f"concat({path}, {literal('.' + field.name)})"))
            for field in _fields(attribute)
        ]
        packed = ", ".join(f"{identifier(field.final_name)} := {found.value}" for field, found in fields)
        absent = f"{value} IS NULL OR json_type({value}) = 'NULL'"
        result = f"CASE WHEN {absent} THEN NULL WHEN json_type({value}) <> 'OBJECT' THEN {_wrong_shape(path, 'STRUCT', value)} "
        result += f"ELSE struct_pack({packed}) END"
        errors = [found.error for _, found in fields if found.error]
        inner = f"nullif(concat_ws(chr(10), {', '.join(errors)}), '')" if errors else "NULL"
        missing = self._missing(attribute, value, path) or "NULL"
        if not errors and missing == "NULL":
            return Checked(result, None)
        return Checked(result, f"CASE WHEN {absent} THEN {missing} ELSE {inner} END")

    def _scalar(self, attribute: Attribute, value: str, path: str) -> Checked:
        kind = self._lookup(attribute)
        if kind.primitive_type is PrimitiveType.VARIANT:
            return Checked(value, self._missing(attribute, value, path))
        shape = f"json_type({value}) IN ('OBJECT', 'ARRAY')"
        text = (
            f"nullif(CASE WHEN {shape} THEN {_wrong_shape(path, attribute.type, value)} ELSE {value} ->> '$' END, '')"
        )
        check = text_check(kind, column_type(kind, declared=False))
        result = check.value(text)
        if attribute.default is not None:
            result = f"CASE WHEN {text} IS NULL THEN {check.value(literal(attribute.default))} ELSE {result} END"
        return Checked(result, self._texts.scalar(attribute, kind, check, text, check.value(text), path))

    def _missing(self, attribute: Attribute, value: str, path: str) -> str | None:
        if not attribute.required or attribute.array:
            return None
        return (
            f"CASE WHEN {value} IS NULL OR json_type({value}) = 'NULL' THEN {self._texts.missing(attribute, path)} END"
        )


def _fields(attribute: Attribute) -> tuple[Attribute, ...]:
    return tuple(field for field in attribute.attributes if not field.ignore)


def _wrong_shape(path: str, expected: str, value: str) -> str:
    return f"error(concat('`', {path}, '` expected to be a {expected.replace(chr(39), '')} but found ', json_type({value})))"
