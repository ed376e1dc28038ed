"""The tables that a SQL statement reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ai.starlake.common.extras import require_package
from ai.starlake.project.models import Table, Task

if TYPE_CHECKING:
    from sqlglot import exp

_FALLBACK = re.compile(r"\b(?:FROM|JOIN)\s+((?:[\w$-]+|`[^`]+`|\"[^\"]+\")(?:\.(?:[\w$-]+|`[^`]+`|\"[^\"]+\"))*)", re.I)
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_DIALECTS = {
    "bigquery": "bigquery",
    "bq": "bigquery",
    "snowflake": "snowflake",
    "redshift": "redshift",
    "postgresql": "postgres",
    "postgres": "postgres",
    "databricks": "databricks",
    "spark": "spark",
    "fs": "spark",
    "local": "spark",
    "hive": "hive",
    "duckdb": "duckdb",
}


@dataclass(frozen=True)
class Reference:
    """A table that a task reads.

    Attributes:
        text: The name in the task's SQL.
        item: Its item: a task, a loaded table, or None for a table that the project does not make.
    """

    text: str
    item: Task | Table | None

    @property
    def kind(self) -> str:
        """``task``, ``table`` or ``unknown``."""
        if self.item is None:
            return "unknown"
        return "task" if isinstance(self.item, Task) else "table"


def dialect_of(type_: str, url: str | None) -> str:
    """Return the SQL dialect of a connection: from its JDBC URL, else from its type; DuckDB's by default."""
    parts = (url or "").lower().split(":")
    if parts[0] == "jdbc" and len(parts) > 1:
        return _DIALECTS.get(parts[1], "duckdb")
    return _DIALECTS.get(type_.lower(), "duckdb")


@lru_cache(maxsize=4096)
def table_references(sql: str, dialect: str = "duckdb") -> tuple[str, ...]:
    """Return the tables that SQL reads, by their names in it.

    Names of common table expressions and table functions are not included, nor is the target of an INSERT. If sqlglot
    cannot parse the SQL, it is searched for names after FROM and JOIN, so that one unusual expression does not hide
    all.

    Args:
        sql: One or several statements with rendered Jinja.
        dialect: sqlglot's name of the SQL dialect.

    Returns:
        Dotted names without quotes, each once, in order of occurrence.

    >>> table_references("WITH a AS (SELECT * FROM shop.rows) SELECT * FROM a JOIN b USING (id)")
    ('shop.rows', 'b')
    """
    return referenced_tables(parsed_statements(sql, dialect), sql)


def parsed_statements(sql: str, dialect: str) -> list[Any] | None:
    """Return the statements of SQL as sqlglot trees; None if it cannot be parsed."""
    require_package("sqlglot", "reading the SQL of tasks", "dagster")
    from sqlglot import ErrorLevel, parse
    from sqlglot.errors import SqlglotError

    try:
        return [each for each in parse(sql, read=dialect, error_level=ErrorLevel.RAISE) if each is not None]
    except (SqlglotError, RecursionError):
        return None


def parse_problem(sql: str, dialect: str) -> str:
    """Return the syntax error in SQL, in one sentence; empty if there is none."""
    from sqlglot import ErrorLevel, parse
    from sqlglot.errors import ParseError, SqlglotError

    try:
        parse(sql, read=dialect, error_level=ErrorLevel.RAISE)
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        line = f"line {first['line']}: " if first.get("line") else ""
        return f"{line}{first.get('description') or error}".splitlines()[0]
    except (SqlglotError, RecursionError) as error:
        return next(iter(str(error).splitlines()), type(error).__name__)
    return ""


def referenced_tables(statements: list[Any] | None, sql: str) -> tuple[str, ...]:
    """Return the tables that SQL reads, from the result of `parsed_statements`; see `table_references`."""
    if statements is None:
        return tuple(dict.fromkeys(_search(sql)))
    return tuple(dict.fromkeys(name for statement in statements for name in _tables(statement)))


def _tables(statement: Any) -> list[str]:
    from sqlglot import exp

    placed: list[tuple[int, str]] = []
    for table in statement.find_all(exp.Table):
        names = [part.name for part in table.parts]
        is_name = isinstance(table.this, exp.Identifier) and all(names)
        if is_name and not is_cte(table) and not _is_target(table):
            placed.append((int(table.this.meta.get("start", 0)), ".".join(names)))
    return [name for _, name in sorted(placed, key=lambda item: item[0])]


def is_cte(table: exp.Table) -> bool:
    """Return True if a name refers to a common table expression that is visible at its position."""
    from sqlglot import exp

    if len(table.parts) > 1:
        return False
    name = table.name.lower()
    inside: Any = table
    node: Any = table.parent
    while node is not None:
        with_ = node.args.get("with_") or node.args.get("with")
        if isinstance(node, exp.With):
            names = [cte.alias.lower() for cte in node.expressions]
            # an expression sees the preceding ones, and itself only if the WITH is recursive
            seen = names if node.recursive else names[: _index(node, inside)]
            if name in seen:
                return True
        elif with_ is not None and inside is not with_ and name in {cte.alias.lower() for cte in with_.expressions}:
            return True
        inside, node = node, node.parent
    return False


def _index(with_: exp.With, child: object) -> int:
    return next((index for index, cte in enumerate(with_.expressions) if cte is child), len(with_.expressions))


def _is_target(table: exp.Table) -> bool:
    from sqlglot import exp

    node: Any = table
    parent: Any = table.parent
    if isinstance(parent, exp.Schema):
        node, parent = parent, parent.parent
    return isinstance(parent, exp.Insert | exp.Create | exp.Drop | exp.Delete | exp.Update) and parent.this is node


def _search(sql: str) -> Iterator[str]:
    for match in _FALLBACK.finditer(_NOISE.sub(" ", sql)):
        yield re.sub(r"[`\"]", "", match[1])
