"""What depends on what, as text, as a diagram, and as the tree that generated DAG files carry (contract 1.8)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.project import Graph, Project, Table, Task
from ai.starlake.project.dag_generation import dependencies_json

KINDS = ("task", "table")
_MOST_LINES = 10_000

_Item = Task | Table


class Lineage:
    """The lineage of some tasks.

    Args:
        project: The project.
        tasks: The tasks to start at, as ``domain.task``; the name of a domain stands for all of its tasks, an empty
            list for all tasks of the project.

    Raises:
        StarlakeError: If there is no such task, or if a file of the project cannot be used.
    """

    def __init__(self, project: Project, tasks: Sequence[str] = ()) -> None:
        self._graph = Graph(project)
        self._tasks = tuple(self._find(project, name) for name in tasks) if tasks else (project.tasks,)
        self._start = tuple({task.full_name.lower(): task for group in self._tasks for task in group}.values())
        self._graph.order(self._start)  # tasks that depend on each other in a circle have no lineage

    def text(self, kinds: Sequence[str] = KINDS) -> str:
        """Names, each two blanks further in than what reads it.

        What several tasks read stands below each of them. Past ten thousand lines what stands below a name is left
        out, which ``...`` says.

        Args:
            kinds: ``task``, ``table`` or both: what is shown.
        """
        lines: list[str] = []
        stack: list[tuple[_Item, int]] = [(task, 0) for task in reversed(self._start)]
        while stack:
            item, depth = stack.pop()
            parents = self._parents(item)
            full = len(lines) >= _MOST_LINES
            more = "  ..." if full and parents else ""
            if _kind(item) in kinds:
                lines.append(f"{'  ' * depth}{item.full_name}{more}")
            if not full:
                stack.extend((parent, depth + 1) for parent in reversed(parents))
        return "\n".join(lines)

    def diagram(self, kinds: Sequence[str] = KINDS) -> str:
        """The diagram of Starlake's own tools as JSON: ``items``, ``relations``, ``diagramType``.

        Args:
            kinds: ``task``, ``table`` or both: what is shown.
        """
        shown: set[str] = set()
        items, relations = [], []
        for item, _ in self._walk(shown):
            if item.full_name.lower() in shown:
                continue
            shown.add(item.full_name.lower())
            if _kind(item) not in kinds:
                continue
            items.append(_item(item))
            relations += [
                {"source": parent.full_name, "target": item.full_name, "relationType": "task"}
                for parent in self._parents(item)
                if _kind(parent) in kinds
            ]
        return json.dumps({"items": items, "relations": relations, "diagramType": "task"}, indent=2, ensure_ascii=False)

    def dependencies(self) -> str:
        """The nested dependency trees of the tasks, as ``task_deps`` of generated DAG files has them.

        Raises:
            StarlakeError: If the tree would be too large to write.
        """
        return dependencies_json(self._graph, self._start)

    def _walk(self, shown: set[str]) -> Iterator[tuple[_Item, int]]:
        """Depth first from the tasks; what is below an item that was shown already is left out."""
        stack: list[tuple[_Item, int]] = [(task, 0) for task in reversed(self._start)]
        while stack:
            item, depth = stack.pop()
            known = item.full_name.lower() in shown
            yield item, depth
            if not known:
                stack.extend((parent, depth + 1) for parent in reversed(self._parents(item)))

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
    """Checks what ``--objects`` names.

    Raises:
        StarlakeError: If it names something else than tasks and tables.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise StarlakeError(f"--objects names {', '.join(unknown)}", fix="use task, table or task,table")


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
