"""Column types of databases for the types of a project."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ai.starlake.common import PermanentError
from ai.starlake.common.extras import require_package
from ai.starlake.project.models import Attribute, PrimitiveType, TypeDefinition

_COLUMNS = {
    PrimitiveType.LONG: "BIGINT",
    PrimitiveType.INT: "INTEGER",
    PrimitiveType.SHORT: "INTEGER",
    PrimitiveType.BYTE: "TINYINT",
    PrimitiveType.STRING: "VARCHAR",
    PrimitiveType.VARIANT: "JSON",
    PrimitiveType.DOUBLE: "DOUBLE",
    PrimitiveType.BOOLEAN: "BOOLEAN",
    PrimitiveType.DATE: "DATE",
    PrimitiveType.TIMESTAMP: "TIMESTAMP",
}
"""Columns whose type has no DDL for DuckDB: as in Starlake's dialect for the types of Spark."""
_DEFAULT_DECIMAL = "DECIMAL(38,9)"
_DDL_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\(\s*\d+\s*(,\s*\d+\s*)?\))?(\[\])*")
_DESCRIBED = {
    "BOOL": "BOOLEAN",
    "DECIMAL": "DECIMAL(18,3)",
    "INT": "INTEGER",
    "NUMERIC": "DECIMAL(18,3)",
    "REAL": "FLOAT",
    "STRING": "VARCHAR",
    "TEXT": "VARCHAR",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
}
"""Types that DuckDB describes by another name."""
_PRECISION = re.compile(r"\s*\d+\s*,\s*\d+\s*")


def column_type(kind: TypeDefinition, *, declared: bool) -> str:
    """Return DuckDB's column type for values of a type.

    Args:
        kind: The type.
        declared: True if the column has the name of one of the table's attributes of this type and is created with its
            table. Starlake looks up the DDL of a type by that name: a renamed column, a field of a struct and a column
            that is added later have the plain form of the primitive type.

    Raises:
        StarlakeError: If the type's ``ddlMapping`` is not the name of a type.
    """
    ddl = (kind.ddl_mapping.get("duckdb") or "").strip()
    if kind.primitive_type is PrimitiveType.DECIMAL:
        return f"DECIMAL({kind.zone})" if _PRECISION.fullmatch(kind.zone or "") else _DEFAULT_DECIMAL
    if not ddl or not declared:
        return _COLUMNS.get(kind.primitive_type, "VARCHAR")
    if not _DDL_TYPE.fullmatch(ddl):
        raise PermanentError(
            f"the type {kind.name!r} maps to {ddl!r} on DuckDB" + (f" ({kind.file})" if kind.file else ""),
            cause="it is not the name of a column type",
            fix="write a type of DuckDB under ddlMapping.duckdb, such as VARCHAR, BIGINT or DECIMAL(18,2)",
        )
    return ddl


def warehouse_type(
    attribute: Attribute, types: Mapping[str, TypeDefinition], warehouse: str, *, declared: bool = True
) -> str:
    """Return the column type of an attribute in its warehouse.

    Args:
        attribute: The attribute; its fields are within its type.
        types: The types of the project; an unknown type is returned unchanged.
        warehouse: The kind of database, such as ``duckdb`` or ``bigquery``.
        declared: See `column_type`.
    """
    if attribute.is_struct or attribute.array:
        name = nested_type(attribute, lambda one: _scalar(one, types, declared=False), _quoted)
        return in_dialect(name, warehouse)
    kind = types.get(attribute.type)
    own = kind.ddl_mapping.get(warehouse) if kind is not None else None
    if own and warehouse != "duckdb":
        return own.strip()
    return in_dialect(_scalar(attribute, types, declared=declared), warehouse)


def described(name: str, dialect: str) -> str:
    """Return a type in the form in which the database describes it: DuckDB has several names for some.

    >>> described("TEXT", "duckdb"), described("DECIMAL(10, 2)", "duckdb"), described("TEXT", "postgres")
    ('VARCHAR', 'DECIMAL(10,2)', 'TEXT')
    """
    if dialect != "duckdb" or "STRUCT" in name.upper():
        return name
    plain = name.replace(", ", ",")
    scalar = plain.rstrip("[]")
    return _DESCRIBED.get(scalar.upper(), scalar) + plain[len(scalar) :]


def in_dialect(name: str, dialect: str) -> str:
    """Return a DuckDB type in the dialect of another database; unchanged if it is unknown."""
    if dialect == "duckdb":
        return name
    require_package("sqlglot", "the types of columns in other databases than DuckDB", "dagster")
    from sqlglot import Dialect, exp
    from sqlglot.errors import SqlglotError

    if Dialect.get(dialect) is None:
        return name
    try:
        return exp.DataType.build(name, dialect="duckdb").sql(dialect)
    except (SqlglotError, ValueError):
        return name


def _scalar(attribute: Attribute, types: Mapping[str, TypeDefinition], *, declared: bool) -> str:
    kind = types.get(attribute.type)
    return attribute.type if kind is None else described(column_type(kind, declared=declared), "duckdb")


def nested_type(attribute: Attribute, column: Callable[[Attribute], str], quoted: Callable[[str], str]) -> str:
    """Return DuckDB's type of a struct, of an array, or of a field.

    Args:
        attribute: The attribute.
        column: Returns the type of a scalar attribute or field.
        quoted: Returns the quoted name of a field.
    """
    if attribute.is_struct:
        fields = [field for field in attribute.attributes if not field.ignore]
        each = (f"{quoted(field.final_name)} {nested_type(field, column, quoted)}" for field in fields)
        name = f"STRUCT({', '.join(each)})"
    else:
        name = column(attribute)
    return f"{name}[]" if attribute.array else name


def _quoted(name: str) -> str:
    """Return the name of a field, quoted like DuckDB."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else '"' + name.replace('"', '""') + '"'
