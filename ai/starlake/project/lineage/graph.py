"""The dependency graph: tasks on tasks, tasks on loaded tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from ai.starlake.common import PermanentError
from ai.starlake.project.lineage.dependency_nodes import Node, task_node
from ai.starlake.project.lineage.sql_names import TargetNames
from ai.starlake.project.lineage.sql_references import Reference, table_references
from ai.starlake.project.models import Table, Task
from ai.starlake.project.project import Project


class Graph:
    """The dependencies of a project. Each task's SQL is parsed once.

    Starlake finds them with the expressions of `SqlParser.scala`; docs/engine-differences.md says what differs.

    Args:
        project: The project; all of its tasks, and the tables of its domains, are read.
        tables_of: Returns the tables that SQL reads, given the SQL and its dialect.

    Raises:
        StarlakeError: From any method, if a file of the project is invalid.
    """

    def __init__(self, project: Project, tables_of: Callable[[str, str], tuple[str, ...]] = table_references) -> None:
        self._project = project
        self._tables_of = tables_of
        self._references: dict[str, tuple[Reference, ...]] = {}
        self._nodes: dict[str, Node] = {}
        self._sql: dict[str, str] = {}

    @cached_property
    def tasks(self) -> Mapping[str, Task]:
        """All tasks by their full names in lower case."""
        return {task.full_name.lower(): task for task in self._project.tasks}

    def references(self, task: Task) -> tuple[Reference, ...]:
        """Return the tables that a task reads, in the order of its SQL, its own table left out.

        A name with two parts is a task's full name, a task's table, or a loaded table's name in the database; a name
        with one part is a table of the task's own domain, else the only task, else the only table with this name. Of a
        longer name the last two parts are used.

        Args:
            task: A task of the project.

        Raises:
            StarlakeError: If a name with one part matches several tables.
        """
        key = task.full_name.lower()
        if key not in self._references:
            self._references[key] = tuple(self._resolved(task))
        return self._references[key]

    def parents(self, task: Task) -> tuple[Task, ...]:
        """Return the tasks that a task reads from, each once.

        Args:
            task: A task of the project.

        Raises:
            StarlakeError: If a name with one part matches several tables.
        """
        found = {ref.item.full_name.lower(): ref.item for ref in self.references(task) if isinstance(ref.item, Task)}
        return tuple(found.values())

    def order(self, tasks: Iterable[Task] | None = None) -> tuple[Task, ...]:
        """Return tasks and all their dependencies, each after its dependencies.

        Args:
            tasks: The tasks to start from; all tasks of the project by default.

        Raises:
            StarlakeError: If tasks have circular dependencies; the message names them.
        """
        return tuple(self.ordered(tasks))

    def ordered(self, tasks: Iterable[Task] | None = None) -> Iterator[Task]:
        """Yield tasks and all their dependencies as soon as their SQL is read; see `order`.

        Args:
            tasks: Tasks to yield with their dependencies; all of the project by default.

        Raises:
            StarlakeError: If tasks depend on each other in a circle, or if a name with one part matches several tables.
        """
        done: set[str] = set()
        for task in self._project.tasks if tasks is None else tasks:
            yield from self._visit(task, done)

    def dependency_tree(self, task: Task) -> Node:
        """Return a task with all its dependencies, in the form of generated DAG files.

        Args:
            task: The task.

        Returns:
            ``{"data": {...}, "children": [...], "task": True}``, ready for JSON. A shared node is the same object below
            all its consumers, so that the cost of the tree is linear in the number of tasks; do not modify it.

        Raises:
            StarlakeError: If tasks have circular dependencies.
        """
        for each in self.order([task]):
            if each.full_name.lower() not in self._nodes:
                node = task_node(each, self.references(each), self._nodes, self._project.application)
                self._nodes[each.full_name.lower()] = node
        return self._nodes[task.full_name.lower()]

    def _visit(self, start: Task, done: set[str]) -> Iterator[Task]:
        """Visit nodes depth first, without recursion: a chain of tasks may be longer than Python's stack."""
        path: dict[str, tuple[Task, Iterator[Task]]] = {}
        key = start.full_name.lower()
        if key not in done:
            path[key] = (start, iter(self.parents(start)))
        while path:
            key, (task, parents) = next(reversed(path.items()))
            parent = next(parents, None)
            if parent is None:
                done.add(key)
                del path[key]
                yield task
                continue
            name = parent.full_name.lower()
            if name in path:
                names = [each.full_name for each, _ in path.values()]
                circle = [*names[list(path).index(name) :], parent.full_name]
                raise PermanentError(
                    f"the tasks {' -> '.join(circle)} depend on each other in a circle",
                    fix="let one of them read something else, or set parseSQL: false on it",
                )
            if name not in done:
                path[name] = (parent, iter(self.parents(parent)))

    def _resolved(self, task: Task) -> Iterator[Reference]:
        sql = self.sql_of(task)
        if sql is None:
            return
        for text in self._tables_of(sql, self._project.dialect_of(task)):
            item = self.resolve(text, task)
            if item is None or item.target.lower() != task.target.lower():
                yield Reference(text, item)

    def sql_of(self, task: Task) -> str | None:
        """Return the SQL of a task as known before it runs; None if it has no SQL.

        Args:
            task: A task of the project.

        Raises:
            StarlakeError: If its template cannot be rendered.
        """
        if not task.parse_sql or not task.sql:
            return None
        key = task.full_name.lower()
        if key not in self._sql:
            file = task.sql_file or task.file
            label = str(file or task.full_name)
            self._sql[key] = self._project.render(task.sql, macros=True, label=label, file=file, planned=True)
        return self._sql[key]

    def resolve(self, name: str, task: Task) -> Task | Table | None:
        """Return the item of a name in a task's SQL; see `references`.

        Args:
            name: Name as written in SQL, with one part or several.
            task: The task with the SQL.

        Returns:
            The table or task; None for a name that the project does not define.

        Raises:
            StarlakeError: If a name with one part matches several tables.
        """
        return self._names.resolve(".".join(self.target_of(name.split(".")) or (name,)), task)

    def target_of(self, parts: Sequence[str]) -> tuple[str, ...] | None:
        """Return the target of a name in ``refs.sl.yml``, in parts; None if the file does not declare the name.

        Args:
            parts: Parts of the name, such as ``["sales", "orders"]``.
        """
        return next((found for ref in self._project.table_refs if (found := ref.target(parts))), None)

    @cached_property
    def _names(self) -> TargetNames:
        tables = [table for domain in self._project.domains for table in domain.tables]
        return TargetNames(self.tasks.values(), tables)
