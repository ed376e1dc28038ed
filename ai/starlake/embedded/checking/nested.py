"""Structs and arrays: their column types, their values and their errors, to any depth, from JSON.

Everything is an expression over a JSON value, so that a struct in an array of structs needs no rows of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from ai.starlake.embedded.checking import privacy
from ai.starlake.embedded.checking.datatypes import TextCheck, text_check
from ai.starlake.embedded.checking.reject_messages import RejectTexts
from ai.starlake.embedded.database.quoting import identifier, literal
from ai.starlake.project import Attribute, PrimitiveType, Trim, TypeDefinition
from ai.starlake.project.databases.column_types import column_type, nested_type

Lookup = Callable[[Attribute], TypeDefinition]
"""Finds the type of an attribute."""
ColumnOf = Callable[[Attribute], str]
"""Returns the DuckDB type of a scalar attribute or field."""
Check = Callable[[TypeDefinition, str], TextCheck]
"""Returns the check of strings of a type, given the type of the column."""

WRONG_SHAPE = "` expected to be a "
"""Error of a file in which a value has another shape than its attribute."""


@dataclass(frozen=True)
class Checked:
    """A value and its error message, both as SQL; None instead of a message if there can be no error."""

    value: str
    error: str | None


def plain_type(attribute: Attribute, lookup: Lookup) -> str:
    """Return the type of a struct, of an array, or of a field, without its ``ddlMapping``."""
    return nested_type(attribute, lambda one: column_type(lookup(one), declared=False), identifier)


def member(document: str, name: str) -> str:
    """Return SQL of a member of a JSON object, by its exact name."""
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    return f"json_extract({document}, {literal(pointer)})"


def similar_member(document: str, name: str) -> str:
    """Return SQL of the first member of a JSON object with the name in any case.

    For documents, not for structs in them: the SQL contains the document twice, and a query of deep structs would grow
    too fast.
    """
    key = f"list_filter(json_keys({document}), lambda k: lower(k) = lower({literal(name)}))[1]"
    return f"json_extract({document}, '/' || replace(replace({key}, '~', '~0'), '/', '~1'))"


def scalar_text(attribute: Attribute, value: str, path: str) -> str:
    """Return SQL of the string of a JSON scalar; an object or an array in its place fails the file, as in Starlake."""
    wrong = _wrong_shape(path, attribute.type, value)
    return f"CASE WHEN {_is_compound(value)} THEN {wrong} ELSE {value} ->> '$' END"


def any_text(value: str) -> str:
    """Return SQL of the string of any JSON value; for an object or an array, its JSON without blanks."""
    return f"CASE WHEN {_is_compound(value)} THEN CAST(json({value}) AS VARCHAR) ELSE {value} ->> '$' END"


def shape(value: str) -> str:
    """Return SQL of the shape of a JSON value: an object, an array, or a scalar; null for null."""
    kind = f"json_type({value})"
    scalar = f"CASE WHEN {kind} <> 'NULL' THEN 'SCALAR' END"
    return f"CASE WHEN {_is_compound(value)} THEN {kind} ELSE {scalar} END"


def _is_compound(value: str) -> str:
    return f"json_type({value}) IN ('OBJECT', 'ARRAY')"


def checked_scalar(
    attribute: Attribute, column: str, text: str, check: TextCheck, texts: RejectTexts, converted: str | None = None
) -> Checked:
    """Return a single value of any format from its string: default, privacy, type.

    Args:
        attribute: The attribute.
        column: The DuckDB type of its column or field.
        text: SQL of the string.
        check: The check of the string.
        texts: The error messages.
        converted: SQL of the value that was already converted from the string, if no privacy hides it.
    """
    protect = privacy.algorithm(attribute)
    value = check.value(text) if protect is None else protect.apply(text, check.value)
    if attribute.default is not None:
        value = f"CASE WHEN {text} IS NULL THEN {check.value(literal(attribute.default))} ELSE {value} END"
    if protect is not None and not protect.fits(column):
        return Checked(value, f"CASE WHEN {text} IS NOT NULL THEN {texts.unprotectable(text)} END")
    if protect is not None or converted is None:
        converted = check.value(text)
    return Checked(value, texts.of_scalar(check, text, converted))


def trimmed(text: str, trim: Trim) -> str:
    """Return SQL that drops blanks according to an attribute's ``trim``; blanks are spaces, as in Spark."""
    function = {Trim.LEFT: "ltrim", Trim.RIGHT: "rtrim", Trim.BOTH: "trim"}.get(trim)
    return f"{function}({text}, ' ')" if function else text


class Nesting:
    """Traverses an attribute and writes the SQL of its value and of its errors.

    Args:
        lookup: Finds the type of an attribute.
        column: Returns the DuckDB type of a field.
        check: Returns the check of strings of a type.
        with_value: True if error messages end with the value at fault.
        empty_is_null: True if an empty string is null.
    """

    def __init__(
        self,
        lookup: Lookup,
        column: ColumnOf,
        *,
        check: Check = text_check,
        with_value: bool = False,
        empty_is_null: bool = True,
    ) -> None:
        self._lookup = lookup
        self._column = column
        self._check = check
        self._with_value = with_value
        self._empty_is_null = empty_is_null
        self._numbers = count()  # parameters of nested lambdas need different names

    def checked(self, attribute: Attribute, value: str, path: str) -> Checked:
        """Return the value and the error of an attribute.

        Args:
            attribute: A struct, an array, or a field of one.
            value: SQL of its JSON.
            path: SQL of the string with its path.
        """
        if attribute.array:
            return self._array(attribute, value, path)
        if attribute.is_struct:
            return self._struct(attribute, value, path)
        return self._scalar(attribute, value, path)

    def _array(self, attribute: Attribute, value: str, path: str) -> Checked:
        number = next(self._numbers)
        element, place = f"e{number}", f"i{number}"
        one = attribute.model_copy(update={"array": False, "default": None})  # required values contain no null
        inner = self.checked(one, element, f"concat({path}, '[', {place} - 1, ']')")
        items = (
            f"CASE WHEN {_absent(value)} THEN NULL WHEN json_type({value}) <> 'ARRAY' "
            f"THEN {_wrong_shape(path, 'ARRAY', value)} ELSE json_extract({value}, '$[*]') END"
        )
        missing = self._missing(attribute, value, path)
        errors = "NULL"
        if inner.error is not None:
            found = f"list_transform({items}, lambda {element}, {place}: {inner.error})"
            kept = f"list_filter({found}, lambda x{number}: x{number} IS NOT NULL)"
            errors = f"nullif(array_to_string({kept}, chr(10)), '')"
        result = f"list_transform({items}, lambda {element}, {place}: {inner.value})"
        return Checked(result, _either(missing, errors))

    def _struct(self, attribute: Attribute, value: str, path: str) -> Checked:
        """Return a struct, null if it is absent; its required fields are missing then, as in Starlake."""
        fields = [
            (field, self.checked(field, member(value, field.name), f"concat({path}, {literal('.' + field.name)})"))
            for field in _fields(attribute)
        ]
        packed = ", ".join(f"{identifier(field.final_name)} := {found.value}" for field, found in fields)
        result = (
            f"CASE WHEN {_absent(value)} THEN NULL WHEN json_type({value}) <> 'OBJECT' "
            f"THEN {_wrong_shape(path, 'STRUCT', value)} ELSE struct_pack({packed}) END"
        )
        errors = [found.error for _, found in fields if found.error]
        inner = f"nullif(concat_ws(chr(10), {', '.join(errors)}), '')" if errors else "NULL"
        return Checked(result, _either(self._missing(attribute, value, path), inner))

    def _scalar(self, attribute: Attribute, value: str, path: str) -> Checked:
        kind = self._lookup(attribute)
        texts = RejectTexts(attribute, kind, path, self._with_value)
        if kind.primitive_type is PrimitiveType.VARIANT:
            missing = texts.missing()
            absent = f"CASE WHEN {_absent(value)} THEN {missing} END" if missing else None
            return Checked(f"CASE WHEN NOT ({_absent(value)}) THEN {value} END", absent)
        text = trimmed(scalar_text(attribute, value, path), attribute.trim)
        text = f"nullif({text}, '')" if self._empty_is_null else text
        column = self._column(attribute)
        return checked_scalar(attribute, column, text, self._check(kind, column), texts)

    def _missing(self, attribute: Attribute, value: str, path: str) -> str | None:
        missing = RejectTexts(attribute, None, path, self._with_value).missing()
        return f"CASE WHEN {_absent(value)} THEN {missing} END" if missing else None


def _absent(value: str) -> str:
    return f"{value} IS NULL OR json_type({value}) = 'NULL'"


def _either(missing: str | None, errors: str) -> str | None:
    if missing is None:
        return None if errors == "NULL" else errors
    return f"coalesce({missing}, {errors})"


def _fields(attribute: Attribute) -> tuple[Attribute, ...]:
    return tuple(field for field in attribute.attributes if not field.ignore)


def _wrong_shape(path: str, expected: str, value: str) -> str:
    wanted = literal(f"{WRONG_SHAPE}{expected} but found ")
    return f"error(concat('`', {path}, {wanted}, json_type({value})))"
