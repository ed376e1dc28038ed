"""Columns of a query, and their source columns, from its SQL alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ai.starlake.common.extras import require_package
from ai.starlake.project.assets.plain_lineage import NotPlainError, plain_lineage
from ai.starlake.project.assets.project_item import ColumnSource, ItemColumn
from ai.starlake.project.databases.column_types import described
from ai.starlake.project.lineage.sql_references import is_cte

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.lineage import Node

UNKNOWN = "unknown"
"""Type of a column that only a run can determine."""
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PARTS = "starlake_parts"
"""Marks a table with its resolved name."""
_LATERAL = "starlake_lateral"
"""Marks a query that sees the tables beside it."""
Resolve = Callable[[Sequence[str]], tuple[str, ...]]
"""Returns the parts of the table that a name in SQL refers to."""
KnownColumns = Mapping[tuple[str, ...], Sequence[ItemColumn]]
"""The columns of tables, by the parts of their names in lower case."""
_DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors of sqlglot's optimizer for unusual SQL; they must not fail the code location."""


def query_columns(
    statements: Iterable[Any] | None, dialect: str, resolve: Resolve, known: KnownColumns
) -> tuple[ItemColumn, ...]:
    """Return the columns of the last query among statements, with the columns that determine their values.

    Those are the columns of its expression, including a window's PARTITION BY and ORDER BY; filters and join conditions
    select rows, and are not included.

    Args:
        statements: Trees of sqlglot, which are changed; None for SQL that sqlglot cannot parse.
        dialect: sqlglot's name of the SQL dialect.
        resolve: Resolves names of tables.
        known: The columns of the tables; those of others are taken from their names in the SQL.

    Returns:
        The columns; empty if they are unknown: no query, SQL that sqlglot cannot parse, ``*`` of an unknown table.
    """
    if statements is None:
        return ()
    from sqlglot.errors import SqlglotError

    try:
        tree = _last_query(statements)
        return _Query(tree, dialect, resolve, known).columns() if tree is not None else ()
    except (SqlglotError, *_DEFECTS):
        return ()


def expression_columns(expression: str, dialect: str) -> tuple[str, ...]:
    """Return the distinct names of the columns in an expression; empty if it cannot be parsed."""
    require_package("sqlglot", "the columns of scripts", "dagster")
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(expression, read=dialect)
    except (SqlglotError, RecursionError):
        return ()
    return tuple(dict.fromkeys(column.parts[0].name for column in tree.find_all(exp.Column)))


def _last_query(statements: Iterable[Any]) -> Any:
    """Return the last query among statements, without surrounding parentheses; None if no statement is a query."""
    from sqlglot import exp

    queries = [each for each in statements if isinstance(each, exp.Query)]
    last = queries[-1] if queries else None
    return last.unnest() if isinstance(last, exp.Subquery) else last


class _Query:
    """A query, with its resolved names of tables."""

    def __init__(self, tree: Any, dialect: str, resolve: Resolve, known: KnownColumns) -> None:
        self._tree = tree
        self._dialect = dialect
        self._resolve = resolve
        self._known = known
        self._columns: dict[tuple[str, ...], Mapping[str, ItemColumn]] = {}
        names = [select.alias_or_name for select in tree.selects if not select.is_star]
        self._written = {name.lower(): name for name in names}

    def columns(self) -> tuple[ItemColumn, ...]:
        try:
            nodes = plain_lineage(self._tree, self._dialect, lambda table: self._by_name(self._parts_of(table)))
        except NotPlainError:
            nodes = self._lineage()
        return tuple(self._column(name, node) for name, node in nodes.items())

    def _lineage(self) -> dict[str, Node]:
        """Return the lineage of all columns from sqlglot; empty if a ``*`` includes unknown columns."""
        from sqlglot.lineage import lineage
        from sqlglot.optimizer.qualify import qualify
        from sqlglot.optimizer.scope import build_scope
        from sqlglot.schema import MappingSchema

        schema = MappingSchema(self._with_own_names(), dialect=self._dialect)
        tree = qualify(
            self._tree,
            dialect=self._dialect,
            schema=schema,
            validate_qualify_columns=False,
            quote_identifiers=False,
            identify=False,
        )
        scope = build_scope(tree)
        if scope is None or tree.is_star:
            return {}
        for each in scope.traverse():
            if each.parent is not None and each.expression.meta.get(_LATERAL):
                each.sources.update({**each.parent.sources, **each.sources})
        return lineage(None, tree, schema, dialect=self._dialect, scope=scope, trim_selects=False, copy=False)

    def _with_own_names(self) -> dict[str, object]:
        """Rename the tables to ``t0``, ``t1``, ..., which no dialect changes, and return their columns by name."""
        from sqlglot import exp

        found: dict[str, object] = {}
        for number, table in enumerate(list(self._tree.find_all(exp.Table))):
            if isinstance(table.this, exp.Identifier) and not is_cte(table):
                columns = self._columns_of(self._parts_of(table))
                if columns:
                    found[f"t{number}"] = {column.name: _plain(column.type) for column in columns}
                _rename(table, f"t{number}")
        for lateral in list(self._tree.find_all(exp.Lateral)):
            _as_derived_table(lateral)
        return found

    def _parts_of(self, table: exp.Table) -> tuple[str, ...]:
        """Return the parts of the table of a name; they are kept when it is renamed."""
        if _PARTS not in table.meta:
            table.meta[_PARTS] = self._resolve([part.name for part in table.parts])
        parts: tuple[str, ...] = table.meta[_PARTS]
        return parts

    def _column(self, name: str, node: Node) -> ItemColumn:
        # sqlglot finds them in a different order in each process
        sources = tuple(sorted(set(self._sources(node)), key=lambda source: (source.table, source.column)))
        spelled = next((source.column for source in sources if source.column.lower() == name.lower()), name)
        return ItemColumn(self._written.get(name.lower()) or spelled, self._type(node), sources=sources)

    def _sources(self, start: Node) -> Iterator[ColumnSource]:
        """Yield the columns at the ends of the lineage; shared nodes are visited once."""
        seen, ahead = {id(start)}, [start]
        while ahead:
            node = ahead.pop()
            found = None if node.downstream else self._leaf(node)
            if found is not None:
                parts, column = found
                yield ColumnSource(parts, column.name)
            below = [each for each in node.downstream if id(each) not in seen]
            seen.update(map(id, below))
            ahead += below

    def _leaf(self, node: Node) -> tuple[tuple[str, ...], ItemColumn] | None:
        """Return the table and the column at an end of the lineage; None for literals and columns without a table."""
        parts = node.source.meta.get(_PARTS)
        if parts is None:
            return None
        name = _last_part(node.name)
        columns = self._by_name(parts)
        if columns and name.lower() not in columns:
            return None
        return parts, columns.get(name.lower()) or ItemColumn(name, UNKNOWN)

    def _type(self, node: Node) -> str:
        """Return the type of a column of a table, a cast, a count or a condition; other types need a run."""
        from sqlglot import exp

        expression = node.expression.unalias()
        while isinstance(expression, exp.Window | exp.Paren | exp.Min | exp.Max) and not expression.expressions:
            expression = expression.this
        if isinstance(expression, exp.Cast):
            return described(expression.to.sql(self._dialect), self._dialect)
        if isinstance(expression, exp.Count):
            return _type_in("BIGINT", self._dialect)
        if isinstance(expression, exp.Predicate | exp.Not):
            return _type_in("BOOLEAN", self._dialect)
        if isinstance(expression, exp.Column) and len(node.downstream) == 1:
            [below] = node.downstream
            leaf = None if below.downstream else self._leaf(below)
            return leaf[1].type if leaf else self._type(below)
        return UNKNOWN

    def _by_name(self, parts: tuple[str, ...]) -> Mapping[str, ItemColumn]:
        if parts not in self._columns:
            self._columns[parts] = {column.name.lower(): column for column in self._columns_of(parts)}
        return self._columns[parts]

    def _columns_of(self, parts: tuple[str, ...]) -> Sequence[ItemColumn]:
        return self._known.get(tuple(part.lower() for part in parts), ())


def _rename(table: exp.Table, name: str) -> None:
    from sqlglot import exp

    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=table.this.quoted)))
    for part in ("db", "catalog"):
        table.set(part, None)
    table.set("this", exp.to_identifier(name))


def _as_derived_table(lateral: exp.Lateral) -> None:
    """Convert a query after LATERAL to a derived table; sqlglot mixes up its columns otherwise."""
    from sqlglot import exp

    if isinstance(lateral.this, exp.Subquery):
        query = lateral.this.unnest()
        query.meta[_LATERAL] = True
        lateral.replace(exp.Subquery(this=query, alias=lateral.args.get("alias")))


def _last_part(name: str) -> str:
    """Return the name of a column without its table, in SQL of no dialect.

    >>> _last_part("t.total"), _last_part('t."the total"')
    ('total', 'the total')
    """
    from sqlglot import exp

    return name.rpartition(".")[2] if _PLAIN_NAME.fullmatch(name) else str(exp.to_column(name).name)


@lru_cache
def _type_in(name: str, dialect: str) -> str:
    from sqlglot import exp

    return str(exp.DataType.build(name).sql(dialect))


def _plain(type_: str) -> str:
    """Return a simplified type for sqlglot: fields of structs are not needed, and databases have types of their own."""
    return type_ if type_.isalnum() else UNKNOWN
