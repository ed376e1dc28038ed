"""Dependencies of tables and tasks, as text, as a diagram, and as the tree in generated DAG files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ai.starlake.common import PermanentError
from ai.starlake.project import Graph, Project, Table, Task
from ai.starlake.project.dag_generation import dependencies_json
from ai.starlake.project.lineage.hash_order import hash_order

KINDS = ("task", "table")
_MOST_LINES = 10_000

_Item = Task | Table


class Lineage:
    """The lineage of some tasks.

    Args:
        project: The project.
        tasks: The tasks to start at, as ``domain.task``; the name of a domain means all of its tasks, an empty list all
            tasks of the project.

    Raises:
        StarlakeError: If there is no such task, or if a file of the project is invalid.
    """

    def __init__(self, project: Project, tasks: Sequence[str] = ()) -> None:
        self._graph = Graph(project)
        self._everything = not tasks
        self._tasks = tuple(self._find(project, name) for name in tasks) if tasks else (project.tasks,)
        self._start = tuple({task.full_name.lower(): task for group in self._tasks for task in group}.values())
        self._graph.order(self._start)  # tasks with circular dependencies have no lineage

    def text(self, kinds: Sequence[str] = KINDS) -> str:
        """Return the names, each indented by two blanks relative to its consumer.

        Dependencies of several tasks are repeated below each of them. Without a selected task, each task and table also
        begins a tree of its own, in the order of Starlake. After ten thousand lines, dependencies of a name are
        replaced by ``...``.

        Args:
            kinds: The kinds to show: ``task``, ``table`` or both.
        """
        lines: list[str] = []
        stack: list[tuple[_Item, int]] = [(item, 0) for item in reversed(self._roots(kinds))]
        while stack:
            item, depth = stack.pop()
            parents = self._ordered_parents(item)
            full = len(lines) >= _MOST_LINES
            more = "  ..." if full and parents else ""
            if _kind(item) in kinds:
                lines.append(f"{'  ' * depth}{item.full_name}{more}")
            if not full:
                stack.extend((parent, depth + 1) for parent in reversed(parents))
        return "\n".join(lines)

    def diagram(self, kinds: Sequence[str] = KINDS) -> str:
        """Return the diagram of Starlake's own tools as JSON: ``items``, ``relations``, ``diagramType``.

        Args:
            kinds: The kinds to show: ``task``, ``table`` or both.
        """
        items: dict[str, _Item] = {}
        relations: dict[tuple[str, str], None] = {}
        for context in self._contexts:
            found = self._below(context)
            items.update((name, found[name]) for name in hash_order(found) if name not in items)
            tasks = [name for name, item in found.items() if isinstance(item, Task)]
            for name in hash_order(tasks) if self._everything else tasks:
                relations.update(((parent.full_name, name), None) for parent in self._parents(found[name]))
        shown = {name: item for name, item in items.items() if _kind(item) in kinds}
        data = {
            "items": [_item(item) for item in shown.values()],
            "relations": [
                {"source": source, "target": target, "relationType": "task"}
                for source, target in relations
                if source in shown and target in shown
            ],
            "diagramType": "task",
        }
        return json.dumps(data, indent=2, ensure_ascii=False)

    def dependencies(self) -> str:
        """Return the nested dependency trees of the tasks, as in ``task_deps`` of generated DAG files.

        Raises:
            StarlakeError: If the tree would be too large to write.
        """
        return dependencies_json(self._graph, self._start)

    @property
    def _contexts(self) -> list[tuple[Task, ...]]:
        """Tasks whose diagrams Starlake creates one by one and joins: each task, or the project as a whole."""
        return [self._start] if self._everything else [(task,) for task in self._start]

    def _roots(self, kinds: Sequence[str]) -> list[_Item]:
        """Return the roots of the trees."""
        if not self._everything:
            return list(self._start)
        found = self._below(self._start)
        return [found[name] for name in hash_order(found) if _kind(found[name]) in kinds]

    def _ordered_parents(self, item: _Item) -> list[_Item]:
        """Return the dependencies of an item: in the order of its SQL, or in Starlake's if all items are listed."""
        if not self._everything:
            return self._parents(item)
        parents = {f"{item.full_name}.{parent.full_name}": parent for parent in self._parents(item)}
        return [parents[name] for name in hash_order(parents)]

    def _below(self, tasks: Sequence[Task]) -> dict[str, _Item]:
        """Return tasks and all their dependencies by name, each once, depth first."""
        found: dict[str, _Item] = {}
        stack: list[_Item] = list(reversed(tasks))
        while stack:
            item = stack.pop()
            if item.full_name not in found:
                found[item.full_name] = item
                stack.extend(reversed(self._parents(item)))
        return found

    def _parents(self, item: _Item) -> list[_Item]:
        if isinstance(item, Table):
            return []
        found = {ref.item.full_name.lower(): ref.item for ref in self._graph.references(item) if ref.item is not None}
        return list(found.values())

    @staticmethod
    def _find(project: Project, name: str) -> tuple[Task, ...]:
        tasks = tuple(task for task in project.tasks if name.lower() in {task.domain.lower(), task.folder.lower()})
        return tasks or (project.task(name),)


def check_kinds(kinds: Sequence[str]) -> None:
    """Check the value of ``--objects``.

    Raises:
        StarlakeError: If it contains anything but tasks and tables.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise PermanentError(f"--objects names {', '.join(unknown)}", fix="use task, table or task,table")


def _kind(item: _Item) -> str:
    return "task" if isinstance(item, Task) else "table"


def _item(item: _Item) -> dict[str, Any]:
    data: dict[str, Any] = {"id": item.full_name, "label": item.full_name, "displayType": _kind(item)}
    if isinstance(item, Table) and item.attributes:
        data["columns"] = [
            {
                "id": f"{item.full_name}.{attribute.name}",
                "name": attribute.name,
                "columnType": attribute.type,
                "primaryKey": attribute.name in item.primary_key,
                "foreignKey": bool(attribute.foreign_key),
            }
            for attribute in item.attributes
        ]
    return data
