"""Lineage of plain queries, without sqlglot's optimizer, which takes more time than parsing.

A query is plain if all sources of its columns are named: common table expressions, derived tables and joins, and
columns that belong to one table without doubt. sqlglot handles all others, and has the same results for these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.lineage import Node

_IN_SELECTS = ("kind", "into", "laterals", "match", "connect", "pivots", "exclude")
_IN_SOURCES = ("with_", "laterals", "joins", "match", "pivots")
_IN_JOINS = ("method", "using", "pivots")
"""Parts of queries, of tables and derived tables, and of joins that change the columns."""
_KINDS = ("", "INNER", "CROSS", "OUTER")

NamesOf = Callable[["exp.Table"], Iterable[str]]
"""Returns the names of the columns of a table in lower case; empty if unknown."""


class NotPlainError(Exception):
    """A query needs sqlglot's optimizer."""


def plain_lineage(tree: Any, dialect: str, names_of: NamesOf) -> dict[str, Node]:
    """Return the same as `sqlglot.lineage.lineage` for all columns of a query; the query is not changed.

    Args:
        tree: The query.
        dialect: sqlglot's name of its SQL dialect.
        names_of: The columns of tables.

    Returns:
        The lineage by the names of the columns. ``names_of`` was called for each table at its ends.

    Raises:
        NotPlainError: If the query is not plain.
    """
    from sqlglot import Dialect

    return _Select(tree, {}, _Reading(Dialect.get_or_raise(dialect), names_of)).nodes()


class _Reading:
    """Shared data of the selects of one query."""

    def __init__(self, dialect: Any, names_of: NamesOf) -> None:
        self._dialect = dialect
        self.names_of = names_of

    def leaf(self, table: exp.Table, column: exp.Column) -> Node:
        from sqlglot import exp
        from sqlglot.lineage import Node

        # like the optimizer: in the case that the database uses for unquoted names
        name = self._dialect.normalize_identifier(exp.Identifier(this=column.name, quoted=column.this.quoted)).name
        known = set(self.names_of(table))
        if not name.isidentifier() or (known and name.lower() not in known):
            raise NotPlainError
        return Node(name=name, source=table, expression=table)


class _Select:
    def __init__(self, select: Any, ctes: Mapping[str, _Select], reading: _Reading) -> None:
        from sqlglot import exp

        if not isinstance(select, exp.Select) or any(map(select.args.get, _IN_SELECTS)):
            raise NotPlainError
        self._reading = reading
        self._nodes: dict[str, Node] = {}
        self._projections = dict(self._named(select.expressions))
        if len(self.names) < len(select.expressions):
            raise NotPlainError
        self._ctes = dict(self._visible(select.args.get("with_"), ctes))
        self._sources = dict(self._read(select))

    @property
    def names(self) -> set[str]:
        """Names of its columns in lower case."""
        return {name.lower() for name in self._projections}

    def nodes(self) -> dict[str, Node]:
        """Return the lineage of all columns."""
        return {name: self.node(name) for name in self._projections}

    def node(self, name: str) -> Node:
        """Return the lineage of a column.

        Raises:
            NotPlainError: If there is no such column, or if a source of it is not named.
        """
        from sqlglot.lineage import Node

        if name not in self._nodes:
            expression = self._projections.get(name)
            if expression is None:
                raise NotPlainError
            below = [self._below(column, name) for column in self._columns(expression)]
            self._nodes[name] = Node(name=name, source=expression, expression=expression, downstream=below)
        return self._nodes[name]

    def _named(self, projections: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        from sqlglot import exp

        for each in projections:
            if not isinstance(each, exp.Alias | exp.Column) or not each.alias_or_name:
                raise NotPlainError
            yield each.alias_or_name, each

    def _visible(self, with_: Any, outer: Mapping[str, _Select]) -> Mapping[str, _Select]:
        found = dict(outer)
        for cte in with_.expressions if with_ is not None else ():
            if with_.recursive or cte.args["alias"].args.get("columns") or not cte.alias:
                raise NotPlainError
            found[cte.alias] = _Select(cte.this, found, self._reading)
        return found

    def _read(self, select: Any) -> Iterator[tuple[str, _Select | exp.Table]]:
        """Yield the names of the sources of a query, with their tables or queries."""
        from_ = select.args.get("from_")
        joins = [*([from_] if from_ is not None else ()), *(select.args.get("joins") or ())]
        names = set()
        for join in joins:
            if any(map(join.args.get, _IN_JOINS)) or (join.args.get("kind") or "").upper() not in _KINDS:
                raise NotPlainError
            name, source = self._source(join.this)
            if not name or name.lower() in names:
                raise NotPlainError
            names.add(name.lower())
            yield name, source

    def _source(self, source: Any) -> tuple[str, _Select | exp.Table]:
        from sqlglot import exp

        alias = source.args.get("alias")
        if any(map(source.args.get, _IN_SOURCES)) or (alias is not None and alias.args.get("columns")):
            raise NotPlainError
        if isinstance(source, exp.Subquery):
            return source.alias, _Select(source.this, self._ctes, self._reading)
        if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
            raise NotPlainError
        name = source.alias_or_name
        if source.args.get("db") is not None or source.name.lower() not in {each.lower() for each in self._ctes}:
            return name, source
        if source.name not in self._ctes:
            raise NotPlainError
        return name, self._ctes[source.name]

    def _columns(self, expression: Any) -> Iterable[Any]:
        """Return the distinct columns in an expression."""
        from sqlglot import exp

        found = {}
        for each in expression.find_all(exp.Column, exp.Query, exp.Star, exp.Columns, exp.Dot, exp.UDTF):
            if isinstance(each, exp.Column) and not isinstance(each.this, exp.Star) and not each.args.get("db"):
                found[each.table, each.name, each.this.quoted] = each
            elif not isinstance(each, exp.Star) or not isinstance(each.parent, exp.Count):
                raise NotPlainError
        return found.values()

    def _below(self, column: exp.Column, made: str) -> Node:
        source = self._sources.get(column.table) if column.table else self._owner(column.name.lower(), made)
        if source is None:
            raise NotPlainError
        return source.node(column.name) if isinstance(source, _Select) else self._reading.leaf(source, column)

    def _owner(self, name: str, made: str) -> _Select | exp.Table | None:
        """Return the source of a column without a table; None if it is not certain."""
        aliases = {each.lower() for each in self._projections if each != made}
        if name in aliases or name in {each.lower() for each in self._sources}:
            return None  # it may be another column of this query, or a whole row
        sources = list(self._sources.values())
        if len(sources) == 1:
            return sources[0]
        known = [self._names(source) for source in sources]
        owners = [source for source, names in zip(sources, known, strict=True) if name in names]
        return owners[0] if all(known) and len(owners) == 1 else None

    def _names(self, source: _Select | exp.Table) -> set[str]:
        if isinstance(source, _Select):
            return source.names
        return set(self._reading.names_of(source))
