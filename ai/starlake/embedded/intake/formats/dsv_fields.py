"""DSV rows split by regular expressions, which follow Starlake's reader (Spark's) in every detail.

Short rows are filled with null. A row with more values than the file has columns keeps the first ones, and a problem.
"""

from __future__ import annotations

import re

from ai.starlake.embedded.checking.raw_rows import PROBLEM_COLUMN, RECORD_COLUMN
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.embedded.intake.formats.dsv_dialect import Dialect

_BLANKS = f"'{chr(9)} '"
"""Characters that Spark drops at both ends of a value if configured."""
_SHOWN = 1000
"""Maximum characters of a row in messages."""


def by_lines(source: str, dialect: Dialect, width: int, *, cuts: bool) -> str:
    """Return a SELECT that splits rows; blank ones are not rows, as in Spark, unless one may span lines.

    Args:
        source: A SELECT of rows as ``line``, and of their problems as ``problem``.
        dialect: Their dialect.
        width: Number of columns of the file.
        cuts: True to drop further values, like Starlake.
    """
    keep = "line <> ''" if dialect.multiline else "regexp_matches(line, '[^\\x00-\\x20]')"
    if dialect.comment:
        keep += f" AND NOT starts_with(line, {literal(dialect.comment)})"
    line = f"line || {literal(dialect.separator)}"
    fields = f"regexp_extract_all({line}, {literal(_field_regex(dialect))}, 1)"
    values = ", ".join(f"{_field(f'fields[{place + 1}]', dialect)} AS c{place}" for place in range(width))
    source = f"SELECT line, problem, {fields} AS fields FROM ({source}) WHERE {keep}"
    problem = "nullif(problem, '')" if cuts else f"coalesce(nullif(problem, ''), {_surplus(dialect, width)})"
    shown = f"concat({problem}, ': ', left(line, {_SHOWN}))"
    problem = f"CASE WHEN {problem} IS NOT NULL THEN {shown} END AS {PROBLEM_COLUMN}"
    return f"SELECT {values}, line AS {RECORD_COLUMN}, {problem} FROM ({source})"


def _surplus(dialect: Dialect, width: int) -> str:
    """Return the problem of a row with a value, not only separators, beyond its columns; null if there is none."""
    empty = f"('', {literal(dialect.quote * 2)})"
    beyond = f"len(list_filter(fields[{width + 1}:], lambda field: trim(field) NOT IN {empty})) > 0"
    text = f"concat('the row has ', len(fields), ' values for {width} columns')"
    return f"CASE WHEN len(fields) > {width} AND {beyond} THEN {text} END"


def _field_regex(dialect: Dialect) -> str:
    """Return the expression of one field and the separator after it; within quotes a separator is part of the value."""
    separator, blanks = re.escape(dialect.separator), " *" if "l" in dialect.strip else ""
    if not dialect.quote:
        return f"(?s){blanks}(.*?){separator}"
    return f"(?s){blanks}((?:{_content(dialect)}{re.escape(dialect.quote)}?)?.*?){separator}"


def _content(dialect: Dialect) -> str:
    """Return the expression of a quoted string, up to the closing quote."""
    quote, escape = re.escape(dialect.quote), re.escape(dialect.escape)
    if dialect.escape in {"", dialect.quote}:
        return f"{quote}(?:{quote}{quote}|[^{quote}])*"
    return f"{quote}(?:{escape}.|{quote}{quote}|[^{quote}{escape}])*"


def _field(field: str, dialect: Dialect) -> str:
    """Return the value of a field: without its quotes and escapes; unquoted and empty is null."""
    plain = field
    for side, function in (("l", "ltrim"), ("r", "rtrim")):
        plain = f"{function}({plain}, {_BLANKS})" if side in dialect.strip else plain
    plain = f"nullif({plain}, '')"
    if dialect.quote:
        quote, content = re.escape(dialect.quote), _content(dialect)
        pairs = f"[{quote}{re.escape(dialect.escape)}]([{quote}{re.escape(dialect.escape)}])"
        closed = f"regexp_replace(substr({field}, 2, length(rtrim({field})) - 2), {literal(pairs)}, '\\1', 'g')"
        opened = f"regexp_replace(substr({field}, 2), {literal(pairs)}, '\\1', 'g')"
        plain = (
            f"CASE WHEN NOT starts_with({field}, {literal(dialect.quote)}) OR {field} = {literal(dialect.quote)} "
            f"THEN {plain} "
            f"WHEN regexp_full_match({field}, {literal(f'(?s){content}{quote} *')}) THEN {closed} "
            f"WHEN regexp_full_match({field}, {literal(f'(?s){content}')}) THEN {opened} ELSE {field} END"
        )
    return null_when(plain, dialect)


def split_line(line: str, dialect: Dialect) -> list[str]:
    """Split one line in Python, like the query; for headers."""
    quote, escape = dialect.quote, dialect.escape
    found = []
    for field in re.findall(_field_regex(dialect), line + dialect.separator):
        if quote and field.startswith(quote) and field.endswith(quote) and len(field) > 1:
            pairs = f"[{re.escape(quote + escape)}]([{re.escape(quote + escape)}])"
            field = re.sub(pairs, r"\1", field[1:-1])  # noqa: PLW2901
        found.append(field)
    return found


def null_when(value: str, dialect: Dialect) -> str:
    """Return the SQL of a value that is null if it is the string for null."""
    return value if dialect.null_value in {None, ""} else f"nullif({value}, {literal(dialect.null_value)})"
