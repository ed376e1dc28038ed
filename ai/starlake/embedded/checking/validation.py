"""From raw rows to typed columns and error messages, in one SELECT.

The order and the messages are Starlake's: trim, empty is null, default, then per attribute one of "can't be null",
"doesn't match pattern", "cannot be converted". A row with any error message is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from ai.starlake.common import PermanentError
from ai.starlake.embedded.checking.datatypes import text_check
from ai.starlake.embedded.checking.native_checks import native_check, unvalidated
from ai.starlake.embedded.checking.nested import (
    Checked,
    Nesting,
    any_text,
    checked_scalar,
    plain_type,
    scalar_text,
    trimmed,
)
from ai.starlake.embedded.checking.raw_rows import PROBLEM_COLUMN, RECORD_COLUMN, Cell, CellKind, RawRows
from ai.starlake.embedded.checking.reject_messages import RejectTexts
from ai.starlake.embedded.database.quoting import identifier, literal
from ai.starlake.project import Attribute, PrimitiveType, Table, TypeDefinition
from ai.starlake.project.databases.column_types import column_type, nested_type

_WHOLE = (PrimitiveType.LONG, PrimitiveType.INT, PrimitiveType.SHORT, PrimitiveType.BYTE, PrimitiveType.DATE)
"""Types whose columns would round a value of a larger type."""
ERROR_COLUMN = "sl_error"
FILE_COLUMN = "sl_input_file_name"
PLACE_COLUMN = "sl_file"


@dataclass(frozen=True)
class Column:
    """An attribute on its way into the table.

    Args:
        attribute: The attribute.
        staged: The name of its column among the checked rows.
        type: The DuckDB type of the column in a new table.
        added_type: The type of the column when it is added to an existing table.
    """

    attribute: Attribute
    staged: str
    type: str
    added_type: str

    @property
    def name(self) -> str:
        """Name of the column in the target table."""
        return self.attribute.final_name


class Validator:
    """Checks the rows of a table, from any file.

    Args:
        table: The table.
        types: The project's types by name.
        reject_with_value: True if error messages show the value at fault.
        keep_records: True if checked rejects keep the original row of the file, as `RECORD_COLUMN`.
        as_text: Names of scalar attributes that read JSON objects and arrays as strings.

    Raises:
        StarlakeError: If the table uses a type that does not exist, or a type that cannot be checked.
    """

    def __init__(
        self,
        table: Table,
        types: Mapping[str, TypeDefinition],
        *,
        reject_with_value: bool = False,
        keep_records: bool = False,
        as_text: frozenset[str] = frozenset(),
    ) -> None:
        self._table = table
        self._keep_records = keep_records
        self._types = types
        self._with_value = reject_with_value
        self._as_text = as_text
        self._native = table.metadata.loads_natively
        self._text_check = native_check if self._native else text_check
        self._declared = {attribute.name.lower(): attribute.type for attribute in table.attributes}
        self.columns = tuple(
            Column(
                attribute,
                f"v{place}",
                nested_type(attribute, self._column, identifier),
                plain_type(attribute, self._lookup),
            )
            for place, attribute in enumerate(table.attributes)
        )

    def taking_as_text(self, names: Set[str]) -> Validator:
        """Return a copy that reads JSON objects and arrays in these attributes as strings.

        Args:
            names: Names of scalar attributes.
        """
        return Validator(
            self._table,
            self._types,
            reject_with_value=self._with_value,
            keep_records=self._keep_records,
            as_text=frozenset(names),
        )

    def is_json_scalar(self, column: Column) -> bool:
        """Return True if a column holds single values, for which JSON may have objects and arrays."""
        attribute = column.attribute
        if attribute.is_struct or attribute.array or attribute.script:
            return False
        return self._lookup(attribute).primitive_type is not PrimitiveType.VARIANT

    def checked(self, rows: RawRows, place: int) -> str:
        """Return a SELECT of the typed columns (`Column.staged`), the error message ('' if accepted), and the file.

        Args:
            rows: The rows of a file.
            place: Number that identifies the file, as `PLACE_COLUMN`; its name in every row would cost more than the
                values.
        """
        read = [
            (column, cell) for column, cell in zip(self.columns, rows.cells, strict=True) if not column.attribute.script
        ]
        cleaned = [f"{self._clean(column.attribute, cell)} AS {_text(column)}" for column, cell in read]
        checks = [self._check(column, cell) for column, cell in read]
        values = [f"{check.value} AS {column.staged}" for (column, _), check in zip(read, checks, strict=True)]
        errors = [check.error for check in checks if check.error]
        error = f"concat_ws(chr(10), {', '.join(errors)})" if errors else "''"
        kept = [RECORD_COLUMN] if self._keep_records else []
        if rows.has_problems:  # if values are not those of their columns, no other check matters
            error = f"coalesce({PROBLEM_COLUMN}, {error})"
            kept.append(PROBLEM_COLUMN)
        inner = f"SELECT {', '.join([*cleaned, *kept])} FROM ({rows.query})"
        outer = [*(column.staged for column, _ in read), f"{error} AS {ERROR_COLUMN}"]
        outer += [f"{place} AS {PLACE_COLUMN}", *([RECORD_COLUMN] if self._keep_records else [])]
        return f"SELECT {', '.join(outer)} FROM (SELECT *, {', '.join(values)} FROM ({inner}))"

    def _column(self, attribute: Attribute) -> str:
        """Return the type of a column or field; Starlake finds its DDL by its name among the table's attributes."""
        declared = self._declared.get(attribute.final_name.lower()) == attribute.type
        return column_type(self._lookup(attribute), declared=declared)

    def _lookup(self, attribute: Attribute) -> TypeDefinition:
        try:
            return self._types[attribute.type]
        except KeyError:
            raise PermanentError(
                f"the attribute {attribute.name!r} of {self._table.full_name} has the unknown type {attribute.type!r}"
                + (f" ({self._table.file})" if self._table.file else ""),
                fix=f"use one of {', '.join(sorted(self._types))}, or define the type under metadata/types",
            ) from None

    def _clean(self, attribute: Attribute, cell: Cell | None) -> str:
        if cell is None:
            return "CAST(NULL AS VARCHAR)"
        text = identifier(cell.column)
        if cell.kind is CellKind.TYPED or (cell.kind is CellKind.JSON and (attribute.is_struct or attribute.array)):
            return text
        if cell.kind is CellKind.JSON and self._lookup(attribute).primitive_type is PrimitiveType.VARIANT:
            return f"CASE WHEN json_type({text}) <> 'NULL' THEN {text} END"
        if cell.kind is CellKind.JSON and attribute.name in self._as_text:
            text = any_text(text)
        elif cell.kind is CellKind.JSON:
            text = scalar_text(attribute, text, literal(attribute.name))
        text = trimmed(text, attribute.trim)
        return f"nullif({text}, '')" if self._table.metadata.empty_is_null else text

    def _check(self, column: Column, cell: Cell | None) -> Checked:
        attribute, text = column.attribute, _text(column)
        attribute = unvalidated(attribute) if self._native else attribute
        if cell is not None and (attribute.is_struct or attribute.array):
            empty_is_null = self._table.metadata.empty_is_null
            nesting = Nesting(
                self._lookup,
                self._column,
                check=self._text_check,
                with_value=self._with_value,
                empty_is_null=empty_is_null,
            )
            return nesting.checked(attribute, text, literal(attribute.name))
        kind = None if attribute.is_struct else self._lookup(attribute)
        if kind is None or cell is None:
            return self._absent(column, kind)
        texts = RejectTexts(attribute, kind, literal(attribute.name), self._with_value)
        if cell.kind is CellKind.TYPED:
            return _typed(column, kind, text, texts)
        check = self._text_check(kind, column.type)
        return checked_scalar(attribute, column.type, text, check, texts, converted=column.staged)

    def _absent(self, column: Column, kind: TypeDefinition | None) -> Checked:
        """Return a missing attribute; a default that the type does not accept is null, as in Starlake."""
        attribute = column.attribute
        if attribute.default is not None and kind is not None and not attribute.array:
            value = self._text_check(kind, column.type).value(literal(attribute.default))
            return Checked(f"CAST({value} AS {column.type})", None)
        texts = RejectTexts(attribute, kind, literal(attribute.name), self._with_value)
        return Checked(f"CAST(NULL AS {column.type})", texts.absent() if attribute.required else None)


def _typed(column: Column, kind: TypeDefinition, value: str, texts: RejectTexts) -> Checked:
    """Return a value that has a type already; a fraction is not an integer and a time not a date, as in Starlake."""
    wrong = f"WHEN {column.staged} IS NULL THEN {texts.unconvertible(value)}"
    if kind.primitive_type in _WHOLE:
        wrong += f" WHEN {column.staged} <> {value} THEN {texts.mismatch(value)}"
    missing = texts.missing() or "NULL"
    return Checked(f"TRY_CAST({value} AS {column.type})", f"CASE WHEN {value} IS NULL THEN {missing} {wrong} END")


def _text(column: Column) -> str:
    return f"t{column.staged[1:]}"
