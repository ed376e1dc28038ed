"""What depends on what: tasks on tasks, tasks on loaded tables."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.project.models import Freshness, Table, Task
from ai.starlake.project.project import Project
from ai.starlake.project.references import dialect_of, table_references

Node = dict[str, Any]

_AGE = re.compile(r"\s*(\d+)\s*(second|minute|hour|day|week)s?\s*", re.IGNORECASE)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}


@dataclass(frozen=True)
class Reference:
    """A table that a task reads.

    Attributes:
        text: The name in the task's SQL.
        item: What it is: a task, a loaded table, or None for a table that the project does not make.
    """

    text: str
    item: Task | Table | None

    @property
    def kind(self) -> str:
        """``task``, ``table`` or ``unknown``."""
        if self.item is None:
            return "unknown"
        return "task" if isinstance(self.item, Task) else "table"


class Graph:
    """The dependencies of a project. Each task's SQL is parsed once.

    Args:
        project: The project; all of its tasks, and the tables of its domains, are read.

    Raises:
        StarlakeError: From any method, if a file of the project cannot be used.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._references: dict[str, tuple[Reference, ...]] = {}
        self._nodes: dict[str, Node] = {}

    @cached_property
    def tasks(self) -> Mapping[str, Task]:
        """All tasks by their full names in lower case."""
        return {task.full_name.lower(): task for task in self._project.tasks}

    def references(self, task: Task) -> tuple[Reference, ...]:
        """The tables that a task reads, in the order of its SQL, its own table left out.

        A name of two parts is a task's full name, a task's table, or a loaded table's name in the database; a name of
        one part is a table of the task's own domain, else the only task, else the only table of this name. Of a longer
        name the last two parts count.

        Raises:
            StarlakeError: If a name of one part fits several tables.
        """
        key = task.full_name.lower()
        if key not in self._references:
            self._references[key] = tuple(self._resolved(task))
        return self._references[key]

    def parents(self, task: Task) -> tuple[Task, ...]:
        """The tasks that a task reads from, each once."""
        found = {ref.item.full_name.lower(): ref.item for ref in self.references(task) if isinstance(ref.item, Task)}
        return tuple(found.values())

    def order(self, tasks: Iterable[Task] | None = None) -> tuple[Task, ...]:
        """Tasks and all that they depend on, each after what it depends on.

        Args:
            tasks: Where to start; all tasks of the project by default.

        Raises:
            StarlakeError: If tasks depend on each other in a circle; the message names it.
        """
        done: dict[str, Task] = {}
        for task in self._project.tasks if tasks is None else tasks:
            self._visit(task, done)
        return tuple(done.values())

    def dependency_tree(self, task: Task) -> Node:
        """A task with all that it depends on, as generated DAG files expect it.

        Args:
            task: The task.

        Returns:
            ``{"data": {...}, "children": [...], "task": True}``, ready for JSON. A node that several others depend on
            is one object below all of them, so that making the tree costs no more than the project has tasks; keep it
            as it is.

        Raises:
            StarlakeError: If tasks depend on each other in a circle.
        """
        for each in self.order([task]):
            if each.full_name.lower() not in self._nodes:
                self._nodes[each.full_name.lower()] = self._node(each)
        return self._nodes[task.full_name.lower()]

    def _visit(self, start: Task, done: dict[str, Task]) -> None:
        """Depth first, without recursion: a chain of tasks may be longer than Python's stack."""
        path: dict[str, tuple[Task, Iterator[Task]]] = {}
        key = start.full_name.lower()
        if key not in done:
            path[key] = (start, iter(self.parents(start)))
        while path:
            key, (task, parents) = next(reversed(path.items()))
            parent = next(parents, None)
            if parent is None:
                done[key] = task
                del path[key]
                continue
            name = parent.full_name.lower()
            if name in path:
                names = [each.full_name for each, _ in path.values()]
                circle = [*names[list(path).index(name) :], parent.full_name]
                raise StarlakeError(
                    f"the tasks {' -> '.join(circle)} depend on each other in a circle",
                    fix="let one of them read something else, or set parseSQL: false on it",
                )
            if name not in done:
                path[name] = (parent, iter(self.parents(parent)))

    def _node(self, task: Task) -> Node:
        references = self.references(task)
        children = {
            ref.item.full_name.lower(): self._nodes[ref.item.full_name.lower()]
            if isinstance(ref.item, Task)
            else self._table_node(ref.item)
            for ref in references
            if ref.item is not None
        }
        first = references[0] if references else None
        strategy = task.write_strategy
        data = {
            "name": task.full_name,
            "typ": "task",
            "parent": first.item.full_name if first is not None and first.item is not None else None,
            "parentTyp": first.kind if first is not None else "unknown",
            "parentRef": first.text if first is not None else None,
            "writeStrategy": {
                key: value
                for key, value in (
                    ("type", strategy.type),
                    ("types", strategy.types),
                    ("key", list(strategy.key)),
                    ("timestamp", strategy.timestamp),
                )
                if value
            },
            "dataset_triggering_strategy": task.asset_triggering_strategy,
            "sink": task.target,
            "cron": self._project.application.cron(task.schedule) or "None",
            "freshness": seconds(task.freshness),
        }
        node: Node = {"data": {key: value for key, value in data.items() if value not in (None, {})}}
        if children:
            node["children"] = list(children.values())
        return {**node, "task": True}

    def _table_node(self, table: Table) -> Node:
        data = {
            "name": table.full_name,
            "typ": "table",
            "parentTyp": "unknown",
            "cron": self._project.application.cron(table.metadata.schedule) or "None",
            "freshness": seconds(table.metadata.freshness),
        }
        return {"data": data, "task": False}

    def _resolved(self, task: Task) -> Iterator[Reference]:
        if not task.parse_sql or not task.sql:
            return
        label = str(task.sql_file or task.file or task.full_name)
        sql = self._project.render(task.sql, macros=True, label=label)
        for text in table_references(sql, self._dialect(task)):
            item = self.resolve(text, task)
            if item is None or item.target.lower() != task.target.lower():
                yield Reference(text, item)

    def _dialect(self, task: Task) -> str:
        try:
            connection = self._project.connection_of(task)
        except StarlakeError:
            return "duckdb"
        return dialect_of(connection.type, connection.url)

    def resolve(self, name: str, task: Task) -> Task | Table | None:
        """What a name in a task's SQL stands for; see `references`.

        Raises:
            StarlakeError: If a name of one part fits several tables.
        """
        parts = name.lower().split(".")
        if len(parts) > 1:
            return self._by_name.get(".".join(parts[-2:]))
        own = self._by_name.get(f"{task.domain.lower()}.{parts[0]}")
        if own is not None:
            return own
        named = self._by_last_part.get(parts[0], [])
        candidates = [item for item in named if isinstance(item, Task)] or named
        if len(candidates) > 1:
            names = ", ".join(sorted(candidate.full_name for candidate in candidates))
            raise StarlakeError(
                f"{name} in the task {task.full_name} may be any of {names}",
                fix="write it with its domain",
            )
        return candidates[0] if candidates else None

    @cached_property
    def _by_name(self) -> dict[str, Task | Table]:
        """Names of two parts in lower case; a task's name goes before a task's table, that before a loaded table."""
        tables = {table.target.lower(): table for domain in self._project.domains for table in domain.tables}
        targets = {task.target.lower(): task for task in self.tasks.values()}
        return {**tables, **targets, **self.tasks}

    @cached_property
    def _by_last_part(self) -> dict[str, list[Task | Table]]:
        found: dict[str, list[Task | Table]] = defaultdict(list)
        for name, item in self._by_name.items():
            last = name.rpartition(".")[2]
            if not any(item is known for known in found[last]):
                found[last].append(item)
        return found


def seconds(freshness: Freshness) -> int:
    """How old data may get before it is wrong, else before it is worth a warning; 0 when nothing is said."""
    for age in (freshness.error, freshness.warn):
        match = _AGE.fullmatch(age or "")
        if match:
            return int(match[1]) * _SECONDS[match[2].lower()]
    return 0
