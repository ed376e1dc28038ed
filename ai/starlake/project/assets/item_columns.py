"""Columns of tables and tasks before a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ai.starlake.project.assets.item_lineage import UNKNOWN, KnownColumns, Resolve, expression_columns
from ai.starlake.project.assets.parsed_sql import ParsedSql
from ai.starlake.project.assets.project_item import ColumnSource, ItemColumn, Target
from ai.starlake.project.databases.column_types import in_dialect, warehouse_type
from ai.starlake.project.models import Application, Attribute, Table, Task, TypeDefinition, WriteStrategy


class ItemColumns:
    """Determines the columns of tables and tasks.

    Args:
        types: The types of the project.
        application: Its settings.
        parsed: The results of parsing its SQL.
    """

    def __init__(self, types: Mapping[str, TypeDefinition], application: Application, parsed: ParsedSql) -> None:
        self._types = types
        self._parsed = parsed
        self._application = application

    def of_table(self, table: Table, warehouse: str, dialect: str) -> tuple[ItemColumn, ...]:
        """Return the columns of a loaded table; empty if its metadata has no attributes."""
        if not table.attributes:
            return ()
        declared = {attribute.name.lower(): attribute.type for attribute in table.attributes}
        target = (table.domain_final_name, table.final_name)
        kept = [attribute for attribute in table.attributes if not attribute.ignore]
        names = {attribute.final_name.lower(): attribute.final_name for attribute in kept}
        columns = []
        for attribute in kept:
            is_declared = declared.get(attribute.final_name.lower()) == attribute.type
            column = self._column(attribute, warehouse, table.primary_key, declared=is_declared)
            columns.append(replace(column, sources=tuple(_script_sources(attribute, dialect, target, names))))
        return (*columns, *self._versions(table.metadata.write_strategy, columns, warehouse))

    def of_task(
        self, task: Task, sql: str | None, warehouse: str, dialect: str, resolve: Resolve, known: KnownColumns
    ) -> tuple[ItemColumn, ...]:
        """Return the columns of the table of a task.

        Args:
            task: The task.
            sql: Its SQL, rendered; None if it has no SQL.
            warehouse: The kind of database that it writes to.
            dialect: sqlglot's name of its SQL dialect.
            resolve: Resolves names of tables in the SQL.
            known: The columns of its dependencies.
        """
        found = self._parsed.columns(sql, dialect, resolve, known) if sql else ()
        attributes = {
            attribute.final_name.lower(): self._column(attribute, warehouse, task.primary_key, declared=True)
            for attribute in task.attributes
            if not attribute.ignore
        }
        typed = {each.final_name.lower() for each in task.attributes if "type" in each.model_fields_set}
        columns = [
            _described(column, attributes.get(column.name.lower()), typed=column.name.lower() in typed)
            for column in found
        ]
        columns = [_keyed(column, task.primary_key) for column in columns]
        names = {column.name.lower() for column in columns}
        columns += [column for name, column in attributes.items() if name not in names]
        return (*columns, *self._versions(task.write_strategy, columns, warehouse))

    def _column(self, attribute: Attribute, warehouse: str, key: Sequence[str], *, declared: bool) -> ItemColumn:
        column = ItemColumn(
            name=attribute.final_name,
            type=warehouse_type(attribute, self._types, warehouse, declared=declared),
            starlake_type=f"{attribute.type}[]" if attribute.array else attribute.type,
            description=attribute.comment,
            nullable=not attribute.required,
            constraints=(f"default {attribute.default}",) if attribute.default is not None else (),
            tags=dict(_tags(attribute)),
        )
        return _keyed(column, key, attribute.name)

    def _versions(self, strategy: WriteStrategy, columns: Iterable[ItemColumn], warehouse: str) -> Iterator[ItemColumn]:
        """Yield the columns for versions of rows, if the strategy keeps them."""
        if not any(kind.keeps_versions for kind in strategy.kinds):
            return
        known = {column.name.lower() for column in columns}
        pairs = (
            (strategy.start_ts or self._application.scd2_start_timestamp, "From when on the version of the row counts"),
            (strategy.end_ts or self._application.scd2_end_timestamp, "Until when the version of the row counts"),
        )
        for name, description in pairs:
            if name.lower() not in known:
                yield ItemColumn(name, in_dialect("TIMESTAMP", warehouse), description=description)


def known_columns(target: Target, columns: tuple[ItemColumn, ...]) -> dict[tuple[str, ...], Sequence[ItemColumn]]:
    """Return the columns of a table by the parts of its name in lower case; empty if they are unknown."""
    return {tuple(part.lower() for part in target): columns} if columns else {}


def _described(column: ItemColumn, attribute: ItemColumn | None, *, typed: bool) -> ItemColumn:
    """Return a column of a query with its description in the metadata."""
    if attribute is None:
        return column
    return replace(
        attribute,
        name=column.name,
        type=attribute.type if column.type == UNKNOWN and typed else column.type,
        starlake_type=attribute.starlake_type if typed else "",
        sources=column.sources,
    )


def _keyed(column: ItemColumn, key: Sequence[str], name: str = "") -> ItemColumn:
    """Return a column as part of the primary key, if one of its names is in the key."""
    names = {column.name.lower(), name.lower()}
    if not any(part.lower() in names for part in key) or "primary_key" in column.tags:
        return column
    alone = len(key) == 1
    constraints = column.constraints if alone else (*column.constraints, f"primary key ({', '.join(key)})")
    return replace(column, unique=alone, constraints=constraints, tags={**column.tags, "primary_key": "true"})


def _tags(attribute: Attribute) -> Iterator[tuple[str, str]]:
    if attribute.privacy and attribute.privacy.upper() != "NONE":
        # the part after the name of an algorithm may be a key
        yield "privacy", attribute.privacy.partition("(")[0].partition(":")[0].strip()
    if attribute.foreign_key:
        yield "foreign_key", attribute.foreign_key
    if attribute.access_policy:
        yield "access_policy", attribute.access_policy
    for tag in attribute.tags:
        name, _, value = tag.partition("=")
        yield name.strip(), value.strip()


def _script_sources(
    attribute: Attribute, dialect: str, target: Target, names: Mapping[str, str]
) -> Iterator[ColumnSource]:
    """Yield the columns of the same table that a script uses."""
    for name in expression_columns(attribute.expression, dialect) if attribute.expression else ():
        own = names.get(name.lower())
        if own is not None and own != attribute.final_name:
            yield ColumnSource(target, own)
