"""Functions of Spark's SQL that sqlglot does not translate, or whose result differs on DuckDB."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ai.starlake.common import PermanentError
from ai.starlake.embedded.checking.python_functions import CONV, CRC32, SHA512, SOUNDEX
from ai.starlake.embedded.spark.lambdas import json_text, map_of_text

if TYPE_CHECKING:
    from sqlglot import exp

_INTEGERS = {"TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INT": "INTEGER", "BIGINT": "BIGINT"}
_MOMENTS = ("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_LTZ")
_DEFAULT_TIME = "'%Y-%m-%d %H:%M:%S'"
_UNITS = {"YEAR": "year", "YYYY": "year", "YY": "year", "MONTH": "month", "MON": "month", "MM": "month"}
_UNITS |= {"QUARTER": "quarter", "WEEK": "week"}
_CALLS = {
    "array_size": "CAST(len({0}) AS INTEGER)",
    "array_repeat": "list_transform(range(0, greatest(CAST({1} AS BIGINT), 0)), lambda i: {0})",
    "binary": "CAST({0} AS BLOB)",
    "date_from_unix_date": "(DATE '1970-01-01' + CAST({0} AS INTEGER))",
    "timestamp_millis": "make_timestamp(CAST({0} * 1000 AS BIGINT))",
    "timestamp_micros": "make_timestamp(CAST({0} AS BIGINT))",
    "try_to_timestamp": "TRY_CAST({0} AS TIMESTAMP)",
    "cardinality": "coalesce(CAST(len({0}) AS INTEGER), -1)",
    "conv": f"{CONV}(CAST({{0}} AS VARCHAR), CAST({{1}} AS VARCHAR), CAST({{2}} AS VARCHAR))",
    "crc32": f"CAST({CRC32}(CAST({{0}} AS VARCHAR)) AS BIGINT)",
    "expm1": "(exp({0}) - 1)",
    "get": "CASE WHEN {1} >= 0 THEN ({0})[{1} + 1] END",
    "json_array_length": (
        "CASE WHEN json_valid({0}) AND json_type({0}) = 'ARRAY' THEN CAST(json_array_length({0}) AS INTEGER) END"
    ),
    "log1p": "CASE WHEN {0} > -1 THEN ln(1 + {0}) END",
    "make_date": "TRY(make_date(CAST({0} AS BIGINT), CAST({1} AS BIGINT), CAST({2} AS BIGINT)))",
    "mask": (
        "regexp_replace(regexp_replace(regexp_replace({0}, '[A-Z]', 'X', 'g'), '[a-z]', 'x', 'g'), '[0-9]', 'n', 'g')"
    ),
    "octet_length": "octet_length(encode(CAST({0} AS VARCHAR)))",
    "positive": "({0})",
    "regexp": "regexp_matches({0}, {1})",
    "shiftrightunsigned": (
        "CASE WHEN {0} < 0 THEN CAST((CAST({0} AS HUGEINT) + 18446744073709551616) // "
        "CAST(power(2, {1}) AS HUGEINT) AS BIGINT) ELSE {0} >> {1} END"
    ),
    "url_decode": "url_decode(replace({0}, '+', ' '))",
    "url_encode": "replace(url_encode({0}), '%20', '+')",
    "bround": "round_even({0}, {1:0})",
    "btrim": "trim({0})",
    "decimal": "TRY_CAST({0} AS DECIMAL(10, 0))",
    "e": "exp(1.0)",
    "find_in_set": (
        "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN coalesce(list_position(string_split({1}, ','), {0}), 0) END"
    ),
    "format_number": "format('{{:,.' || {1} || 'f}}', CAST({0} AS DOUBLE))",
    "hypot": "sqrt({0} * {0} + {1} * {1})",
    "isnotnull": "({0} IS NOT NULL)",
    "isnull": "({0} IS NULL)",
    "monotonically_increasing_id": "(row_number() OVER () - 1)",
    "nanvl": "CASE WHEN isnan({0}) THEN {1} ELSE {0} END",
    "pmod": "((({0} % nullif({1}, 0)) + {1}) % nullif({1}, 0))",
    "substring_index": (
        "array_to_string(CASE WHEN {2} > 0 THEN string_split({0}, {1})[1:{2}] "
        "WHEN {2} < 0 THEN string_split({0}, {1})[{2}:] ELSE [] END, {1})"
    ),
    "timestamp_seconds": "make_timestamp(CAST({0} * 1000000 AS BIGINT))",
    "weekday": "(isodow({0}) - 1)",
}
"""SQL templates for functions that sqlglot does not know; ``{1:0}`` is the second argument, or 0 without one."""


_OTHER_VALUES = frozenset({"hash", "xxhash64"})


def to_integer(value: str, kind: str) -> str:
    """Return the SQL that casts a value to an integer as Spark does: fractions are truncated, other strings are null.

    A timestamp becomes the seconds since 1970.

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
    """Return the SQL that casts a value to a timestamp as Spark does; a number is the seconds since 1970.

    Args:
        value: SQL of the value.
        kind: The type of the timestamp, with or without a time zone.
    """
    is_number = f"regexp_matches(typeof({value}), 'INT|DECIMAL|DOUBLE|FLOAT')"
    seconds = f"make_timestamp(TRY_CAST(TRY_CAST({value} AS DOUBLE) * 1000000 AS BIGINT))"
    return f"CASE WHEN {is_number} THEN CAST({seconds} AS {kind}) ELSE TRY_CAST({value} AS {kind}) END"


def to_text(value: str) -> str:
    """Return the SQL that casts a value to a string as Spark does; a timestamp has no offset."""
    text = f"CAST({value} AS VARCHAR)"
    kind = f"typeof({value})"
    return (
        f"CASE WHEN {kind} = 'TIMESTAMP WITH TIME ZONE' THEN left({text}, -3) "
        f"WHEN {kind} = 'DOUBLE' AND {text} = 'nan' THEN 'NaN' ELSE {text} END"
    )


def printed(arguments: list[str]) -> str:
    """Return the SQL of ``printf``; nulls are written as such if the format has no widths and precisions."""
    form, *values = arguments
    if re.fullmatch(r"'([^%]|%[sd%])*'", form):
        values = [f"coalesce(CAST({value} AS VARCHAR), 'null')" for value in values]
        form = form.replace("%d", "%s")
    return f"printf({', '.join([form, *values])})"


_WRITERS: dict[str, Callable[[list[str]], str | None]] = {
    "array_union": lambda arguments: _distinct(f"list_concat({', '.join(arguments)})"),
    "arrays_overlap": lambda arguments: _overlap(*arguments),
    "printf": printed,
}
"""Translations of functions that need more than a template."""


def as_duckdb(node: exp.Expr) -> str | None:
    """Return the SQL of a call with translated arguments; None if sqlglot's translation is right."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        name, arguments = node.name.lower(), [one.sql(dialect="duckdb") for one in node.expressions]
        if name in _OTHER_VALUES:
            raise PermanentError(
                f"the function {name} cannot be used in scripts and filters",
                cause="DuckDB's function of this name has other values than Spark's",
                fix="use md5 or sha2, which are the same everywhere",
            )
        if name in _WRITERS and arguments:
            return _WRITERS[name](arguments)
        if name.upper() in _INTEGERS and len(arguments) == 1:
            return to_integer(arguments[0], _INTEGERS[name.upper()])
        return _filled(_CALLS[name], arguments) if name in _CALLS else None
    write = _NODES.get(node.key)
    return write(node) if write else None


def _filled(template: str, arguments: list[str]) -> str | None:
    try:
        return template.replace("{1:0}", arguments[1] if len(arguments) > 1 else "0").format(*arguments)
    except IndexError:
        return None  # too few arguments; DuckDB reports it


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
    if node.args.get("decimals"):
        return None
    written = node.sql(dialect="duckdb")
    return f"CASE WHEN isnan(CAST({_sql(node)} AS DOUBLE)) THEN 0 ELSE CAST({written} AS BIGINT) END"


def _pad(node: exp.Expr) -> str:
    side = "lpad" if node.args.get("is_left") else "rpad"
    fill = _sql(node, "fill_pattern") or "' '"
    return f"{side}(CAST({_sql(node)} AS VARCHAR), {_sql(node, 'expression')}, {fill})"


def _date_trunc(node: exp.Expr) -> str | None:
    unit = _UNITS.get(_sql(node, "unit").strip("'").upper())
    return f"CAST(date_trunc('{unit}', CAST({_sql(node)} AS DATE)) AS DATE)" if unit else None


def _sha2(node: exp.Expr) -> str | None:
    length = _sql(node, "length")
    if length in ("224", "384"):
        text = f"sha2 with {length} bits cannot be used in scripts and filters"
        raise PermanentError(text, fix="use 256 or 512 bits")
    return f"{SHA512}({_sql(node)})" if length == "512" else None


def _parsed(node: exp.Expr) -> str:
    return f"try_strptime({_sql(node)}, {_time_format(node)})"


def _time_format(node: exp.Expr) -> str:
    """Return the format of a node in DuckDB's syntax."""
    from sqlglot.dialects.duckdb import DuckDB

    return str(DuckDB().generator().format_time(node))


def _seconds(node: exp.Expr) -> str:
    form = _time_format(node) if node.args.get("format") else _DEFAULT_TIME
    if form == _DEFAULT_TIME:
        return f"CAST(epoch(TRY_CAST({_sql(node)} AS TIMESTAMP)) AS BIGINT)"
    return f"CAST(epoch({_parsed(node)}) AS BIGINT)"


def _printf(node: exp.Expr) -> str:
    return printed([_sql(node), *(one.sql(dialect="duckdb") for one in node.expressions)])


def _base64(node: exp.Expr) -> str:
    return f"to_base64(encode(CAST({_sql(node)} AS VARCHAR)))"


def _months_between(node: exp.Expr) -> str:
    """Return whole months between equal or last days of months; else the rest is in parts of 31 days."""
    one, other = (f"CAST({_sql(node, key)} AS TIMESTAMP)" for key in ("this", "expression"))
    months = f"(year({one}) - year({other})) * 12 + month({one}) - month({other})"
    last = f"CAST({one} AS DATE) = last_day({one}) AND CAST({other} AS DATE) = last_day({other})"
    seconds = " - ".join(f"(epoch({each}) - epoch(date_trunc('month', {each})))" for each in (one, other))
    rest = f"CASE WHEN day({one}) = day({other}) OR ({last}) THEN 0 ELSE ({seconds}) / 2678400.0 END"
    exact = f"CAST({months} + {rest} AS DOUBLE)"
    return exact if _sql(node, "roundoff").lower() == "false" else f"round({exact}, 8)"


def _series(node: exp.Expr) -> str | None:
    """Return a series of numbers; without a step it descends if its end is below its start."""
    if node.args.get("step"):
        return None
    start, end = _sql(node, "start"), _sql(node, "end")
    return f"generate_series({start}, {end}, CASE WHEN {start} <= {end} THEN 1 ELSE -1 END)"


def _number_or(node: exp.Expr) -> str | None:
    return _filled(_CALLS["nanvl"], [_sql(node), _sql(node, "expression")])


def _substring_index(node: exp.Expr) -> str | None:
    return _filled(_CALLS["substring_index"], [_sql(node), _sql(node, "delimiter"), _sql(node, "count")])


def _json_member(node: exp.Expr) -> str:
    """Return a member of a JSON document; null if the string is not JSON or the path is not one of Spark's."""
    document, path = _sql(node), node.args["expression"]
    written = node.sql(dialect="duckdb")
    pointer = path.sql(dialect="duckdb")
    valid = f"json_valid({document})"
    return f"CASE WHEN {valid} THEN {written} END" if pointer.startswith("'$") else "CAST(NULL AS VARCHAR)"


def _map_of_text(node: exp.Expr) -> str:
    return map_of_text(_sql(node), _sql(node, "pair_delim") or "','", _sql(node, "key_value_delim") or "':'")


def _sorted(node: exp.Expr) -> str:
    """Return a sorted array: ``array_sort`` has nulls last; ``sort_array`` has them first, and last if it descends."""
    order = "DESC" if _sql(node, "asc").lower() == "false" else "ASC"
    first = _sql(node, "nulls_first").lower() == "true"
    return f"list_sort({_sql(node)}, '{order}', 'NULLS {'FIRST' if first else 'LAST'}')"


def _distinct(values: str) -> str:
    """Return distinct items in order of their first occurrence; null is an item too."""
    return (
        f"list_filter({values}, lambda v, i: "
        f"len(list_filter({values}[1:i - 1], lambda w: w IS NOT DISTINCT FROM v)) = 0)"
    )


def _overlap(one: str, other: str) -> str:
    nulls = f"list_filter(list_concat({one}, {other}), lambda v: v IS NULL)"
    return (
        f"CASE WHEN list_has_any({one}, {other}) THEN true "
        f"WHEN len({one}) > 0 AND len({other}) > 0 AND len({nulls}) > 0 THEN NULL "
        f"WHEN {one} IS NOT NULL AND {other} IS NOT NULL THEN false END"
    )


def _unsupported(name: str, fix: str) -> Callable[[exp.Expr], str]:
    def refuse(_node: exp.Expr) -> str:
        raise PermanentError(f"the function {name} cannot be used in scripts and filters", fix=fix)

    return refuse


def _character(node: exp.Expr) -> str:
    code = f"CAST({node.expressions[0].sql(dialect='duckdb')} AS INTEGER)"
    return f"CASE WHEN {code} < 0 THEN '' ELSE chr({code} % 256) END"


def _part(node: exp.Expr) -> str | None:
    part, value = _sql(node).upper(), _sql(node, "expression")
    if part in ("DOW", "DAYOFWEEK"):
        return f"(dayofweek({value}) + 1)"
    if part in ("SECOND", "SECONDS"):
        return f"CAST(second({value}) + (microsecond({value}) % 1000000) / 1000000.0 AS DECIMAL(8, 6))"
    return None


def _distance(node: exp.Expr) -> str | None:
    most = _sql(node, "ins_cost")
    distance = f"levenshtein({_sql(node)}, {_sql(node, 'expression')})"
    return f"CASE WHEN {distance} > {most} THEN -1 ELSE {distance} END" if most else None


def _logarithm(node: exp.Expr) -> str:
    base, value = _sql(node), _sql(node, "expression")
    known = {"10": "log10", "2": "log2"}.get(base)
    written = f"{known}({value})" if known else f"(ln({value}) / ln({base}))"
    return f"CASE WHEN {value} > 0 AND {base} > 0 THEN {written} END"


_WEEK = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def _next_day(node: exp.Expr) -> str:
    names = ", ".join(f"'{day}'" for day in _WEEK)
    number = f"list_position([{names}], upper(left({_sql(node, 'expression')}, 2)))"
    day = f"CAST({_sql(node)} AS DATE)"
    return f"({day} + CAST((({number} - isodow({day}) + 6) % 7) + 1 AS INTEGER))"


def _replaced(node: exp.Expr) -> str | None:
    """Return a replacement; Java refers to groups with a dollar sign."""
    replacement = node.args.get("replacement")
    if replacement is None or not replacement.is_string or "$" not in replacement.name:
        return None
    groups = re.sub(r"[$](\d)", r"\\\1", replacement.name.replace("\\", "\\\\")).replace("'", "''")
    return f"regexp_replace({_sql(node)}, {_sql(node, 'expression')}, '{groups}', 'g')"


def _split(node: exp.Expr) -> str | None:
    """Return the parts of a string; with a limit the last one is the rest of it."""
    text, pattern, limit = _sql(node), _sql(node, "expression"), _sql(node, "limit")
    if pattern == "''":
        return f"CASE WHEN {text} = '' THEN [''] ELSE string_split_regex({text}, '') END"
    if not limit.isdigit() or limit == "0":
        return None if not limit else f"string_split_regex({text}, {pattern})"
    parts = f"string_split_regex({text}, {pattern})"
    glued = f"regexp_extract_all({text}, {pattern})"
    first = f"{parts}[1:{int(limit) - 1}]"
    rest = f"{parts}[{limit}:]"
    gaps = f"{glued}[{limit}:]"
    piece = f"CASE WHEN i = 1 THEN p ELSE coalesce({gaps}[i - 1], '') || p END"
    joined = f"list_reduce(list_transform({rest}, lambda p, i: {piece}), lambda a, b: a || b)"
    whole = f"list_append({first}, {joined})"
    return f"CASE WHEN len({parts}) <= {limit} THEN {parts} WHEN {text} IS NOT NULL THEN {whole} END"


def _without(node: exp.Expr) -> str | None:
    return None if node.args.get("replacement") else f"replace({_sql(node)}, {_sql(node, 'expression')}, '')"


_LISTS = frozenset({"array", "arrayfilter", "regexpsplit", "split", "transform", "arraysort", "arraydistinct"})


def _reversed(node: exp.Expr) -> str | None:
    """Return a reversed string or array, like Spark."""
    original = node.this.args.get("was", node.this.key)
    return f"list_reverse({_sql(node)})" if original in _LISTS else None


def _substring(node: exp.Expr) -> str | None:
    """Return a substring: positions 0 and 1 are the same, and a negative length is 0."""
    start, length = _sql(node, "start"), _sql(node, "length")
    start = "1" if start == "0" else start
    more = f", CAST(greatest({length}, 0) AS BIGINT)" if length else ""
    if not start.isdigit():
        return None if not more or length.isdigit() else f"substring({_sql(node)}, {start}{more})"
    return f"substring({_sql(node)}, {start}{more})"


_NODES: dict[str, Callable[[exp.Expr], str | None]] = {
    "addmonths": _as_date,
    "arraycontains": lambda node: (
        f"CASE WHEN list_contains({_sql(node)}, {_sql(node, 'expression')}) THEN true "
        f"WHEN len(list_filter({_sql(node)}, lambda v: v IS NULL)) > 0 THEN NULL "
        f"ELSE list_contains({_sql(node)}, {_sql(node, 'expression')}) END"
    ),
    "arraydistinct": lambda node: _distinct(_sql(node)),
    "arrayposition": lambda node: (
        f"CAST(coalesce(list_position({_sql(node)}, {_sql(node, 'expression')}), "
        f"CASE WHEN {_sql(node)} IS NOT NULL AND {_sql(node, 'expression')} IS NOT NULL THEN 0 END) AS BIGINT)"
    ),
    "arrayremove": lambda node: (
        f"CASE WHEN {_sql(node, 'expression')} IS NOT NULL THEN "
        f"list_filter({_sql(node)}, lambda v: v IS NULL OR v <> {_sql(node, 'expression')}) END"
    ),
    "arraysize": lambda node: f"coalesce(CAST(len({_sql(node)}) AS INTEGER), -1)",
    "arraysort": _sorted,
    "bitwiseleftshift": lambda node: (
        f"CAST({_sql(node)} * CAST(power(2, {_sql(node, 'expression')}) AS BIGINT) AS BIGINT)"
    ),
    "chr": _character,
    "elt": lambda node: f"[{', '.join(one.sql(dialect='duckdb') for one in node.expressions)}][{_sql(node)}]",
    "extract": _part,
    "factorial": lambda node: (
        f"CASE WHEN {_sql(node)} BETWEEN 0 AND 20 THEN factorial(CAST({_sql(node)} AS INTEGER)) END"
    ),
    "fromjson": _unsupported("from_json", "use get_json_object"),
    "generateseries": _series,
    "getbit": lambda node: f"CAST(({_sql(node)} >> {_sql(node, 'expression')}) & 1 AS TINYINT)",
    "intdiv": lambda node: f"({_sql(node)} // nullif({_sql(node, 'expression')}, 0))",
    "jsonkeys": lambda node: (
        f"CASE WHEN json_valid({_sql(node)}) AND json_type({_sql(node)}) = 'OBJECT' THEN json_keys({_sql(node)}) END"
    ),
    "left": lambda node: f"left({_sql(node)}, CAST(greatest({_sql(node, 'expression')}, 0) AS BIGINT))",
    "levenshtein": _distance,
    "ln": lambda node: f"CASE WHEN {_sql(node)} > 0 THEN ln({_sql(node)}) END",
    "log": _logarithm,
    "mapcontainskey": lambda node: f"list_contains(map_keys({_sql(node)}), {_sql(node, 'key')})",
    "negative": lambda node: f"(-{_sql(node)})",
    "nextday": _next_day,
    "regexpreplace": _replaced,
    "regexpsplit": _split,
    "regexpsubstr": lambda node: f"nullif(regexp_extract({_sql(node)}, {_sql(node, 'expression')}), '')",
    "replace": _without,
    "reverse": _reversed,
    "right": lambda node: f"right({_sql(node)}, CAST(greatest({_sql(node, 'expression')}, 0) AS BIGINT))",
    "rint": lambda node: f"round_even({_sql(node)}, 0)",
    "sec": lambda node: f"(1 / cos({_sql(node)}))",
    "safeadd": lambda node: f"TRY({_sql(node)} + {_sql(node, 'expression')})",
    "safemultiply": lambda node: f"TRY({_sql(node)} * {_sql(node, 'expression')})",
    "safesubtract": lambda node: f"TRY({_sql(node)} - {_sql(node, 'expression')})",
    "soundex": lambda node: f"{SOUNDEX}({_sql(node)})",
    "substring": _substring,
    "attimezone": lambda node: (
        f"((CAST({_sql(node)} AS TIMESTAMP) AT TIME ZONE 'UTC') AT TIME ZONE {_sql(node, 'zone')})"
    ),
    "cast": _cast,
    "ceil": _whole,
    "csc": lambda node: f"(1 / sin({_sql(node)}))",
    "datefromunixdate": lambda node: f"(DATE '1970-01-01' + CAST({_sql(node)} AS INTEGER))",
    "datetrunc": _date_trunc,
    "dayofweek": lambda node: f"({node.sql(dialect='duckdb')} + 1)",
    "floor": _whole,
    "format": _printf,
    "isnan": lambda node: f"coalesce(isnan(TRY_CAST({_sql(node)} AS DOUBLE)), false)",
    "jsonextractscalar": _json_member,
    "jsonformat": json_text,
    "mod": _remainder,
    "monthsbetween": _months_between,
    "nanvl": _number_or,
    "pad": _pad,
    "sha2": _sha2,
    "sortarray": _sorted,
    "strtomap": _map_of_text,
    "strtotime": _parsed,
    "strtounix": _seconds,
    "substringindex": _substring_index,
    "tobase64": _base64,
    "tochar": _unsupported("to_char", "use format_number, or cast the value to string"),
    "trycast": _cast,
    "tsordsadd": _as_date,
}
"""Translations of functions that sqlglot knows, by the key of their class."""
