"""The columns of a query, and the columns that they are made of, from its SQL alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ai.starlake.common.extras import require_package
from ai.starlake.project.assets.project_item import ColumnSource, ItemColumn
from ai.starlake.project.lineage.sql_references import is_cte

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.lineage import Node

UNKNOWN = "unknown"
"""The type of a column that only a run can tell."""
Resolve = Callable[[Sequence[str]], tuple[str, ...]]
"""Gives the parts of the table that a name in SQL stands for."""
KnownColumns = Mapping[tuple[str, ...], Sequence[ItemColumn]]
"""The columns of tables, by the parts of their names in lower case."""


def query_columns(sql: str, dialect: str, resolve: Resolve, known: KnownColumns) -> tuple[ItemColumn, ...]:
    """Return the columns of the last query in SQL, with the columns that make their values.

    Those are the columns of its expression, a window's PARTITION BY and ORDER BY among them; filters and the conditions
    of joins choose rows, they make no values.

    Args:
        sql: One statement or several, Jinja rendered.
        dialect: sqlglot's name of the SQL dialect.
        resolve: What names of tables stand for.
        known: The columns of the tables; those of others are found where they are named.

    Returns:
        The columns; empty if they cannot be known: no query, SQL that sqlglot cannot parse, ``*`` of an unknown table.
    """
    require_package("sqlglot", "the columns of tasks", "dagster")
    from sqlglot.errors import SqlglotError

    try:
        return _Query(sql, dialect, resolve, known).columns()
    except (SqlglotError, RecursionError, ValueError, KeyError):
        return ()


def expression_columns(expression: str, dialect: str) -> tuple[str, ...]:
    """Return the names of the columns in an expression, each once; none if it cannot be parsed."""
    require_package("sqlglot", "the columns of scripts", "dagster")
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError

    try:
        tree = parse_one(expression, read=dialect)
    except (SqlglotError, RecursionError):
        return ()
    return tuple(dict.fromkeys(column.parts[0].name for column in tree.find_all(exp.Column)))


class _Query:
    """A query whose tables have names of their own, ``t0``, ``t1``, ..., so that no dialect changes them."""

    def __init__(self, sql: str, dialect: str, resolve: Resolve, known: KnownColumns) -> None:
        from sqlglot import exp, parse

        queries = [each for each in parse(sql, read=dialect) if isinstance(each, exp.Query)]
        self._tree: Any = queries[-1] if queries else None
        self._dialect = dialect
        self._known = known
        self._tables: dict[str, tuple[str, ...]] = {}
        self._written = [] if self._tree is None or self._tree.is_star else list(self._tree.named_selects)
        for table in list(self._tree.find_all(exp.Table)) if self._tree is not None else ():
            if isinstance(table.this, exp.Identifier) and not is_cte(table):
                self._rename(table, resolve)

    def _rename(self, table: exp.Table, resolve: Resolve) -> None:
        from sqlglot import exp

        name = f"t{len(self._tables)}"
        self._tables[name] = resolve([part.name for part in table.parts])
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=table.this.quoted)))
        for part in ("db", "catalog"):
            table.set(part, None)
        table.set("this", exp.to_identifier(name))

    def columns(self) -> tuple[ItemColumn, ...]:
        from sqlglot.lineage import lineage
        from sqlglot.optimizer.qualify import qualify
        from sqlglot.optimizer.scope import build_scope
        from sqlglot.schema import MappingSchema

        if self._tree is None:
            return ()
        given: dict[str, object] = {
            name: {column.name: _plain(column.type) for column in columns}
            for name, parts in self._tables.items()
            if (columns := self._columns_of(parts))
        }
        schema = MappingSchema(given, dialect=self._dialect)
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
            return ()
        names = [select.alias_or_name for select in tree.selects]
        shown = self._written if len(self._written) == len(names) else [""] * len(names)
        nodes = (
            lineage(name, tree, schema, dialect=self._dialect, scope=scope, trim_selects=False, copy=False)
            for name in names
        )
        return tuple(self._column(*each) for each in zip(names, shown, nodes, strict=True))

    def _column(self, name: str, written: str, node: Node) -> ItemColumn:
        # sqlglot finds them in another order in each process
        sources = tuple(sorted(set(self._sources(node)), key=lambda source: (source.table, source.column)))
        spelled = next((source.column for source in sources if source.column.lower() == name.lower()), name)
        return ItemColumn(written or spelled, self._type(node), sources=sources)

    def _sources(self, node: Node) -> Iterator[ColumnSource]:
        for each in node.walk():
            found = None if each.downstream else self._leaf(each)
            if found is not None:
                parts, column = found
                yield ColumnSource(parts, column.name)

    def _leaf(self, node: Node) -> tuple[tuple[str, ...], ItemColumn] | None:
        """Return the table and the column where lineage ends; None for literals, and for what has no table."""
        from sqlglot import exp

        if not isinstance(node.source, exp.Table) or node.source.name not in self._tables:
            return None
        parts = self._tables[node.source.name]
        name = exp.to_column(node.name, dialect=self._dialect).name
        columns = {column.name.lower(): column for column in self._columns_of(parts)}
        if columns and name.lower() not in columns:
            return None
        return parts, columns.get(name.lower()) or ItemColumn(name, UNKNOWN)

    def _type(self, node: Node) -> str:
        """Return the type of a column that is one of a table, a cast, a count or a condition; the rest needs a run."""
        from sqlglot import exp

        expression = node.expression.unalias()
        while isinstance(expression, exp.Window | exp.Paren | exp.Min | exp.Max) and not expression.expressions:
            expression = expression.this
        if isinstance(expression, exp.Cast):
            return expression.to.sql(self._dialect)
        if isinstance(expression, exp.Count):
            return exp.DataType.build("BIGINT").sql(self._dialect)
        if isinstance(expression, exp.Predicate | exp.Not):
            return exp.DataType.build("BOOLEAN").sql(self._dialect)
        if isinstance(expression, exp.Column) and len(node.downstream) == 1:
            [below] = node.downstream
            leaf = None if below.downstream else self._leaf(below)
            return leaf[1].type if leaf else self._type(below)
        return UNKNOWN

    def _columns_of(self, parts: tuple[str, ...]) -> Sequence[ItemColumn]:
        return self._known.get(tuple(part.lower() for part in parts), ())


def _plain(type_: str) -> str:
    """Return a type for sqlglot: the fields of a struct are not asked for, and any database has types of its own."""
    return type_ if type_.isalnum() else UNKNOWN
