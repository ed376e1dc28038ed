"""Unqualified names in a task's SQL: their table and domain."""

from __future__ import annotations

import re

from ai.starlake.embedded.database.quoting import identifier, qualified
from ai.starlake.project import Task
from ai.starlake.project.lineage.graph import Graph
from ai.starlake.project.lineage.sql_references import is_cte

_HAS_TABLES = re.compile(r"\b(from|join)\b", re.IGNORECASE)


def qualified_sql(sql: str, task: Task, graph: Graph) -> str:
    """Qualify the names of tables and tasks of other domains, and replace references.

    Everything else stays unchanged.

    Args:
        sql: A SELECT with rendered Jinja.
        task: Its task.
        graph: The tables and tasks of the project.

    Returns:
        The SELECT; unchanged if it cannot be parsed, so that DuckDB reports the error.
    """
    if not task.parse_sql or not _HAS_TABLES.search(sql):
        return sql
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.scope import traverse_scope

    try:
        tree = parse_one(sql, read="duckdb")
        sources = [source for scope in traverse_scope(tree) for _, source in scope.references]
    except (SqlglotError, RecursionError):
        return sql
    places: dict[int, tuple[int, str]] = {}
    for source in sources:
        if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier) or is_cte(source):
            continue
        start, end = source.parts[0].meta.get("start"), source.this.meta.get("end")
        target = _target([part.name for part in source.parts], task, graph)
        if target is not None and start is not None and end is not None:
            renamed = target[-1].lower() != source.name.lower() and not source.alias
            alias = f" AS {identifier(source.name)}" if renamed else ""
            places[start] = (end + 1, qualified(*target) + alias)
    for start in sorted(places, reverse=True):
        end, text = places[start]
        sql = sql[:start] + text + sql[end:]
    return sql


def _target(parts: list[str], task: Task, graph: Graph) -> tuple[str, ...] | None:
    """Return the replacement of a name: the target of a reference, or a table with its domain; None to keep it."""
    referred = graph.target_of(parts)
    if referred is not None and len(referred) > 1:
        return referred
    name = (referred or parts)[-1]
    item = graph.resolve(name, task) if referred or len(parts) == 1 else None
    if item is None:
        return None
    schema, _, table = item.target.rpartition(".")
    at_home = schema.lower() == task.domain.lower() and table.lower() == parts[-1].lower()
    return None if at_home else (schema, table)
