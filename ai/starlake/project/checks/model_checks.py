"""Consistency checks of a project, beyond the validation of each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from ai.starlake.common import StarlakeError
from ai.starlake.common.plug_ins import LAZY_ENGINES, plug_ins
from ai.starlake.project.findings import Finding, Severity, nearest
from ai.starlake.project.models import Attribute, Sink, Table, Task, TypeDefinition, WriteStrategy
from ai.starlake.project.reading.documents import Document, KeyPath

Types = Mapping[str, TypeDefinition]

_NEEDS = {
    "key": "add key: [the columns that identify a row]",
    "timestamp": "add timestamp: a column",
    "partition": "add sink: {partition: [a column]}",
}
"""Fixes for missing requirements of a write strategy."""


def check_table(table: Table, document: Document, types: Types, strategies: Collection[str]) -> Iterator[Finding]:
    """Yield the findings about a table.

    Args:
        table: The table.
        document: Its file.
        types: The project's types.
        strategies: The names of all write strategies, in upper case.
    """
    root = ("table",)
    try:
        _ = table.regex
    except StarlakeError as error:
        yield document.finding((*root, "pattern"), f"pattern: {error.culprit}: {error.cause}", error.fix or "")
    yield from _check_attributes(table.attributes, document, (*root, "attributes"), types)
    yield from _check_names(table, document)
    strategy, sink = table.metadata.write_strategy, table.metadata.sink
    yield from check_strategy(strategy, sink, document, (*root, "metadata"), strategies)
    yield from _check_columns(table, document)
    if table.metadata.format.needs_positions:
        yield from _check_positions(table, document)
    yield from _check_types(table, document)
    if not table.attributes:
        yield document.finding(root, "the table has no attributes", "list its columns below attributes:")


def _check_types(table: Table, document: Document) -> Iterator[Finding]:
    """Yield a warning for attributes without a type: they are strings, as in Starlake."""
    for index, attribute in enumerate(table.attributes):
        if "type" not in attribute.model_fields_set and not attribute.is_struct:
            message = f"{attribute.name} has no type and is a string"
            path = ("table", "attributes", index)
            yield document.finding(path, message, "write its type, such as type: string", Severity.WARNING)


def _check_names(table: Table, document: Document) -> Iterator[Finding]:
    names = Counter(attribute.final_name.lower() for attribute in table.attributes)
    for index, attribute in enumerate(table.attributes):
        if names[attribute.final_name.lower()] > 1 and not attribute.ignore:
            names[attribute.final_name.lower()] = 0
            path = ("table", "attributes", index)
            yield document.finding(
                path, f"two columns are named {attribute.final_name}", "rename one of them, or ignore it"
            )


def _check_attributes(
    attributes: Sequence[Attribute], document: Document, path: KeyPath, types: Types
) -> Iterator[Finding]:
    for index, attribute in enumerate(attributes):
        here = (*path, index)
        if attribute.is_struct:
            if not attribute.attributes:
                message = f"{attribute.name} is a struct without attributes"
                yield document.finding(here, message, "list its fields below attributes:")
            yield from _check_attributes(attribute.attributes, document, (*here, "attributes"), types)
        elif attribute.type not in types:
            message = f"{attribute.name} has the unknown type {attribute.type}"
            hint = nearest(attribute.type, types) or "define it in metadata/types/types.sl.yml"
            yield document.finding((*here, "type"), message, hint)


def _check_positions(table: Table, document: Document) -> Iterator[Finding]:
    for index, attribute in enumerate(table.attributes):
        path = ("table", "attributes", index)
        position = attribute.position
        if position is None and not attribute.script:
            yield document.finding(
                path, f"{attribute.name} has no position", "format POSITION needs position: {first, last}"
            )
        elif position is not None and not 0 <= position.first <= position.last:
            message = f"{attribute.name} begins at {position.first} and ends at {position.last}"
            yield document.finding((*path, "position"), message, "first must not be after last, both count from 0")


def check_strategy(
    strategy: WriteStrategy,
    sink: Sink,
    document: Document,
    path: KeyPath,
    strategies: Collection[str],
) -> Iterator[Finding]:
    """Yield the findings about a write strategy.

    Args:
        strategy: The strategy.
        sink: The sink, for the partition.
        document: The file.
        path: Path of the keys ``writeStrategy`` and ``sink`` in the file.
        strategies: The names of all write strategies, in upper case.
    """
    here = (*path, "writeStrategy")
    for name in strategy.names:
        if name not in strategies:
            hint = nearest(name, strategies) or "add a template of this name under metadata/write-strategies"
            yield document.finding((*here, "type"), f"the write strategy {name} does not exist", hint)
    for kind in strategy.kinds:
        if strategy.types and not kind.is_adaptive:
            message = f"{kind.name} cannot be a part of an adaptive write strategy"
            yield document.finding((*here, "types"), message, "use it alone")
    lacking: dict[str, set[str]] = {}
    for kind in strategy.kinds:
        for need in kind.lacking(strategy.key, strategy.timestamp, sink.partition):
            lacking.setdefault(need, set()).add(kind.name)
    for need, names in lacking.items():
        yield document.finding(here, f"{', '.join(sorted(names))} needs a {need}", _NEEDS[need])


def _check_columns(table: Table, document: Document) -> Iterator[Finding]:
    """Check that a table has the columns of its write strategy."""
    strategy, sink = table.metadata.write_strategy, table.metadata.sink
    wanted = (kind.columns(strategy.key, strategy.timestamp, sink.partition) for kind in strategy.kinds)
    named = dict.fromkeys(name for names in wanted for name in names)
    columns = [name for each in table.attributes if not each.ignore for name in (each.final_name, each.name)]
    known = {column.lower() for column in columns}
    for name in named:
        if name.lower() not in known:
            path = ("table", "metadata", "writeStrategy")
            yield document.finding(path, f"{name} is not a column of the table", nearest(name, columns))


def check_task(task: Task, document: Document, root: KeyPath, strategies: Collection[str]) -> Iterator[Finding]:
    """Yield the findings about a task.

    Args:
        task: The task.
        document: The file with its YAML; the SQL file if it has none.
        root: Path of the task in that file.
        strategies: The names of all write strategies, in upper case.
    """
    if not (task.sql or task.python_file or task.python):
        message = f"the task {task.full_name} has no SQL"
        yield document.finding(root, message, f"write {task.name}.sql beside it, or add sql:")
    if task.sql_file is not None and task.python_file is not None:
        message = f"the task {task.full_name} has {task.sql_file.name} and {task.python_file.name}; one is not read"
        yield document.finding(root, message, "remove one of the two")
    if task.engine is not None:
        yield from _check_engine(task, task.engine, document, (*root, "engine"))
    if task.parse_sql:
        yield from check_strategy(task.write_strategy, task.sink, document, root, strategies)


def _check_engine(task: Task, engine: str, document: Document, path: KeyPath) -> Iterator[Finding]:
    known = plug_ins(LAZY_ENGINES)
    if engine not in known:
        hint = nearest(engine, known) or f"use {', '.join(known)}"
        yield document.finding(path, f"engine: there is no engine {engine!r}", hint)
    elif task.python_file is None:
        hint = f"write {task.name}.py beside it, or remove engine"
        yield document.finding(path, f"engine: {engine} is for Python tasks, and {task.full_name} is not one", hint)


def errors(findings: Iterator[Finding]) -> list[Finding]:
    """Return the findings that are errors."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]
