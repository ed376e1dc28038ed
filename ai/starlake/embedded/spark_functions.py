"""Functions of Spark's SQL that sqlglot leaves as they are, or whose result differs on DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.functions import SHA512

if TYPE_CHECKING:
    from sqlglot import exp

_INTEGERS = {"TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INT": "INTEGER", "BIGINT": "BIGINT"}
_MOMENTS = ("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_LTZ")
_UNITS = {"YEAR": "year", "YYYY": "year", "YY": "year", "MONTH": "month", "MON": "month", "MM": "month"}
_UNITS |= {"QUARTER": "quarter", "WEEK": "week"}
_CALLS = {
    "binary": "CAST({0} AS BLOB)",
    "bround": "round_even({0}, {1:0})",
    "btrim": "trim({0})",
    "decimal": "TRY_CAST({0} AS DECIMAL(10, 0))",
    "e": "exp(1.0)",
    "find_in_set": "coalesce(list_position(string_split({1}, ','), {0}), 0)",
    "format_number": "format('{{:,.' || {1} || 'f}}', CAST({0} AS DOUBLE))",
    "hypot": "sqrt({0} * {0} + {1} * {1})",
    "isnotnull": "({0} IS NOT NULL)",
    "isnull": "({0} IS NULL)",
    "monotonically_increasing_id": "(row_number() OVER () - 1)",
    "nanvl": "CASE WHEN isnan({0}) THEN {1} ELSE {0} END",
    "pmod": "((({0} % {1}) + {1}) % {1})",
    "substring_index": (
        "array_to_string(CASE WHEN {2} > 0 THEN string_split({0}, {1})[1:{2}] "
        "WHEN {2} < 0 THEN string_split({0}, {1})[{2}:] ELSE [] END, {1})"
    ),
    "timestamp_seconds": "make_timestamp(CAST({0} * 1000000 AS BIGINT))",
    "weekday": "(isodow({0}) - 1)",
}
"""What stands for a function that sqlglot does not know; ``{1:0}`` is the second argument, or 0 without one."""


_OTHER_VALUES = frozenset({"hash", "xxhash64"})


def to_integer(value: str, kind: str) -> str:
    """SQL that makes an integer of a value as Spark does: the fraction is cut off, what is no number is null.

    Of a moment it is the seconds since 1970.

    Args:
        value: SQL of the value.
        kind: The integer type.
    """
    digits = f"TRY_CAST(regexp_replace(CAST({value} AS VARCHAR), '[.][0-9]*$', '') AS {kind})"
    seconds = f"TRY_CAST(floor(epoch(TRY_CAST({value} AS TIMESTAMP))) AS {kind})"
    return (
        f"CASE WHEN starts_with(typeof({value}), 'TIMESTAMP') THEN {seconds} "
        f"ELSE coalesce({digits}, TRY_CAST({value} AS {kind})) END"
    )


def to_moment(value: str, kind: str) -> str:
    """SQL that makes a moment of a value as Spark does; a number is the seconds since 1970.

    Args:
        value: SQL of the value.
        kind: The type of the moment, with or without a time zone.
    """
    is_number = f"regexp_matches(typeof({value}), 'INT|DECIMAL|DOUBLE|FLOAT')"
    seconds = f"make_timestamp(TRY_CAST(TRY_CAST({value} AS DOUBLE) * 1000000 AS BIGINT))"
    return f"CASE WHEN {is_number} THEN CAST({seconds} AS {kind}) ELSE TRY_CAST({value} AS {kind}) END"


def to_text(value: str) -> str:
    """SQL of the text of a value; that of a moment has no offset, as in Spark."""
    text = f"CAST({value} AS VARCHAR)"
    return f"CASE WHEN typeof({value}) = 'TIMESTAMP WITH TIME ZONE' THEN left({text}, -3) ELSE {text} END"


def as_duckdb(node: exp.Expr) -> str | None:
    """SQL for a call whose arguments are DuckDB's already; None for what sqlglot writes well."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        name, arguments = node.name.lower(), [one.sql(dialect="duckdb") for one in node.expressions]
        if name in _OTHER_VALUES:
            raise StarlakeError(
                f"the function {name} cannot be used in scripts and filters",
                cause="DuckDB's function of this name has other values than Spark's",
                fix="use md5 or sha2, which are the same everywhere",
            )
        if name.upper() in _INTEGERS and len(arguments) == 1:
            return to_integer(arguments[0], _INTEGERS[name.upper()])
        return _filled(_CALLS[name], arguments) if name in _CALLS else None
    write = _NODES.get(node.key)
    return write(node) if write else None


def _filled(template: str, arguments: list[str]) -> str | None:
    try:
        return template.replace("{1:0}", arguments[1] if len(arguments) > 1 else "0").format(*arguments)
    except IndexError:
        return None  # too few arguments; DuckDB says so


def _sql(node: exp.Expr, key: str = "this") -> str:
    found = node.args.get(key)
    return found.sql(dialect="duckdb") if found is not None else ""


def _as_date(node: exp.Expr) -> str:
    return f"CAST({node.sql(dialect='duckdb')} AS DATE)"


def _cast(node: exp.Expr) -> str | None:
    kind = node.args["to"].sql(dialect="spark").upper()
    if kind == "STRING":
        return to_text(_sql(node))
    if kind in _MOMENTS:
        return to_moment(_sql(node), "TIMESTAMP")
    return to_integer(_sql(node), _INTEGERS[kind]) if kind in _INTEGERS else None


def _remainder(node: exp.Expr) -> str:
    return f"({_sql(node)} % nullif({_sql(node, 'expression')}, 0))"


def _whole(node: exp.Expr) -> str | None:
    return None if node.args.get("decimals") else f"CAST({node.sql(dialect='duckdb')} AS BIGINT)"


def _pad(node: exp.Expr) -> str:
    side = "lpad" if node.args.get("is_left") else "rpad"
    fill = _sql(node, "fill_pattern") or "' '"
    return f"{side}(CAST({_sql(node)} AS VARCHAR), {_sql(node, 'expression')}, {fill})"


def _date_trunc(node: exp.Expr) -> str | None:
    unit = _UNITS.get(_sql(node, "unit").strip("'").upper())
    return f"CAST(date_trunc('{unit}', CAST({_sql(node)} AS DATE)) AS DATE)" if unit else None


def _sha2(node: exp.Expr) -> str | None:
    return f"{SHA512}({_sql(node)})" if _sql(node, "length") == "512" else None


def _parsed(node: exp.Expr) -> str | None:
    written = node.sql(dialect="duckdb")
    return f"TRY_{written}" if written.startswith("STRPTIME(") else None


def _seconds(node: exp.Expr) -> str | None:
    written = node.sql(dialect="duckdb")
    if not node.args.get("format") or "'%Y-%m-%d %H:%M:%S'" in written:
        return f"CAST(epoch(TRY_CAST({_sql(node)} AS TIMESTAMP)) AS BIGINT)"
    return f"CAST({written.replace('EPOCH(STRPTIME(', 'epoch(TRY_STRPTIME(', 1)} AS BIGINT)"


def _printf(node: exp.Expr) -> str:
    return f"printf({', '.join([_sql(node), *(one.sql(dialect='duckdb') for one in node.expressions)])})"


def _base64(node: exp.Expr) -> str:
    return f"to_base64(encode(CAST({_sql(node)} AS VARCHAR)))"


def _months_between(node: exp.Expr) -> str:
    """Whole months between equal or last days of months; else the rest is in parts of 31 days."""
    one, other = (f"CAST({_sql(node, key)} AS TIMESTAMP)" for key in ("this", "expression"))
    months = f"(year({one}) - year({other})) * 12 + month({one}) - month({other})"
    last = f"CAST({one} AS DATE) = last_day({one}) AND CAST({other} AS DATE) = last_day({other})"
    seconds = " - ".join(f"(epoch({each}) - epoch(date_trunc('month', {each})))" for each in (one, other))
    rest = f"CASE WHEN day({one}) = day({other}) OR ({last}) THEN 0 ELSE ({seconds}) / 2678400.0 END"
    return f"round(CAST({months} + {rest} AS DOUBLE), 8)"


def _number_or(node: exp.Expr) -> str | None:
    return _filled(_CALLS["nanvl"], [_sql(node), _sql(node, "expression")])


def _substring_index(node: exp.Expr) -> str | None:
    return _filled(_CALLS["substring_index"], [_sql(node), _sql(node, "delimiter"), _sql(node, "count")])


_NODES: dict[str, Callable[[exp.Expr], str | None]] = {
    "addmonths": _as_date,
    "attimezone": lambda node: (
        f"((CAST({_sql(node)} AS TIMESTAMP) AT TIME ZONE 'UTC') AT TIME ZONE {_sql(node, 'zone')})"
    ),
    "cast": _cast,
    "ceil": _whole,
    "datetrunc": _date_trunc,
    "dayofweek": lambda node: f"({node.sql(dialect='duckdb')} + 1)",
    "floor": _whole,
    "format": _printf,
    "mod": _remainder,
    "monthsbetween": _months_between,
    "nanvl": _number_or,
    "pad": _pad,
    "sha2": _sha2,
    "strtotime": _parsed,
    "strtounix": _seconds,
    "substringindex": _substring_index,
    "tobase64": _base64,
    "trycast": _cast,
    "tsordsadd": _as_date,
}
"""What stands for a function that sqlglot knows, by the key of its class."""
