"""Dependencies of transforms, as in generated DAG files."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from enum import Enum
from typing import Any, Generic, TypeVar

from ai.starlake.common import StarlakeError
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.orchestration.load_schedules import cron_of


class StarlakeDependencyType(str, Enum):
    """The kind of a dependency: a transform (``task``), or a loaded table (``table``)."""

    TASK = "task"
    TABLE = "table"

    def __str__(self) -> str:
        return str(self.value)


class StarlakeDependency:
    """A transform or a loaded table, with its dependencies.

    Args:
        name: Its Starlake name: ``domain.task`` or ``domain.table``.
        dependency_type: Its kind.
        cron: Its cron expression, if it is scheduled.
        dependencies: Its dependencies.
        sink: The table that it writes, if that has another name.
        stream: The stream of changes that it reads, if there is one.
        freshness: Maximum age of its data in seconds.
        **kwargs: Ignored.

    Raises:
        StarlakeError: If the cron expression is not valid.
    """

    def __init__(
        self,
        name: str,
        dependency_type: StarlakeDependencyType | str,
        cron: str | None = None,
        dependencies: Iterable[StarlakeDependency] = (),
        sink: str | None = None,
        stream: str | None = None,
        freshness: int = 0,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        self.name = name
        self.dependency_type = StarlakeDependencyType(str(dependency_type))
        self.cron = cron_of(cron, f"dependency {name}")
        self.dependencies = list(dependencies)
        # Starlake up to 1.5.15 writes the string "None" for loaded tables
        self.sink = sink if sink and sink.strip().lower() != "none" else name
        self.stream = stream
        self.freshness = int(freshness or 0)

    @property
    def id(self) -> str:
        """Name of the transform or table."""
        return self.name

    @property
    def dataset(self) -> StarlakeDataset:
        """The table that it writes."""
        return StarlakeDataset(self.sink)

    @property
    def uri(self) -> str:
        """Name of that table in the orchestrator."""
        return self.dataset.uri

    @property
    def domain(self) -> str:
        """Domain of that table."""
        return self.sink.partition(".")[0]

    @property
    def table(self) -> str:
        """Name of that table within its domain."""
        return self.sink.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"StarlakeDependency({self.name!r}, {str(self.dependency_type)!r})"


NodeT = TypeVar("NodeT")


class TreeNodeMixin(Generic[NodeT]):
    """A node of a dependency tree, with its predecessors and successors.

    There is one node per name, however many paths lead to it.

    Args:
        id: Its name.
        node: Content of the node.
    """

    def __init__(self, id: str, node: NodeT) -> None:  # noqa: A002  the name is part of the public contract
        self.id = id
        self.node = node
        self.parents: list[TreeNodeMixin[NodeT]] = []
        """Predecessors."""
        self.children: list[TreeNodeMixin[NodeT]] = []
        """Successors."""

    def add_parent(self, parent: TreeNodeMixin[NodeT]) -> None:
        """Add a predecessor.

        Args:
            parent: Node that this one becomes a successor of.
        """
        self.parents.append(parent)
        parent.children.append(self)

    def __repr__(self) -> str:
        before = f" << [{', '.join(parent.id for parent in self.parents)}]" if self.parents else ""
        return f"{self.id}{before}"


class StarlakeDependencies(Sequence[StarlakeDependency]):
    """The transforms of a file, with all their dependencies.

    Args:
        dependencies: The transforms; or the JSON of `dag-generate`: a list of ``{"data": {"name", "typ", "sink",
            "cron", "freshness", ...}, "children": [...], "task": true}``. It repeats a node below each of its
            consumers; each name becomes one dependency, with the children of all its occurrences. A node may omit its
            children if they are written elsewhere.
        filtered_datasets: Tables, by Starlake name or name in the orchestrator, whose updates start nothing.

    Raises:
        StarlakeError: If the JSON is invalid, or if a cron expression in it is invalid.
    """

    def __init__(
        self, dependencies: str | Iterable[StarlakeDependency], filtered_datasets: Iterable[str] | None = None
    ) -> None:
        roots = _read(dependencies) if isinstance(dependencies, str) else list(dependencies)
        self.dependencies: list[StarlakeDependency] = list({root.name: root for root in roots}.values())
        self.filtered_datasets: frozenset[str] = frozenset(filtered_datasets or ())
        self._all = {node.name: node for node in _walk(self.dependencies)}

    @classmethod
    def of(
        cls,
        tasks: Mapping[str, Mapping[str, Any]],
        *,
        tables: Mapping[str, Mapping[str, Any]] | None = None,
        other_tasks: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> StarlakeDependencies:
        """Return the transforms of a file from a table of names: each with the names that it ``reads``, and more.

        Args:
            tasks: The transforms of the file: ``{"kpi.sales": {"reads": ["shop.orders"], "sink": "kpi.sold"}}``. The
                facts are keyword arguments of `StarlakeDependency`.
            tables: The loaded tables that they read, directly or not.
            other_tasks: The transforms of other files that they read, directly or not.

        Raises:
            StarlakeError: If a name that is read is in none of these, or if a cron expression is invalid.
        """
        kinds = {
            StarlakeDependencyType.TABLE: tables or {},
            StarlakeDependencyType.TASK: {**(other_tasks or {}), **tasks},
        }
        known = {
            name: StarlakeDependency(name, kind, **{key: value for key, value in facts.items() if key != "reads"})
            for kind, named in kinds.items()
            for name, facts in named.items()
        }
        for named in kinds.values():
            for name, facts in named.items():
                known[name].dependencies = [_read_by(name, read, known) for read in facts.get("reads", ())]
        return cls([known[name] for name in tasks])

    @property
    def first_level_tasks(self) -> Set[str]:
        """Names of the transforms of the file."""
        return {root.name: None for root in self.dependencies}.keys()

    @property
    def all_dependencies(self) -> Set[str]:
        """Names of all dependencies, in a defined order."""
        return {child.name: None for node in self._all.values() for child in node.dependencies}.keys()

    @property
    def everything(self) -> list[StarlakeDependency]:
        """The transforms of the file and all their dependencies, at any level."""
        return list(self._all.values())

    def get_dependency(self, name: str) -> StarlakeDependency | None:
        """Return a dependency by its name, at any level.

        Args:
            name: ``domain.task`` or ``domain.table``.

        Returns:
            The dependency; None if no transform or table has this name.
        """
        return self._all.get(name)

    def graphs(self, *, run_dependencies_first: bool = False) -> list[TreeNodeMixin[StarlakeDependency]]:
        """Return the trees of what is run, in a defined order: each node with its direct predecessors.

        A node that occurs only as a predecessor has no tree of its own.

        Args:
            run_dependencies_first: True if all dependencies of the transforms are run; otherwise only the transforms.
        """
        chosen = self._all if run_dependencies_first else {root.name: root for root in self.dependencies}
        nodes = {name: TreeNodeMixin(name, dependency) for name, dependency in chosen.items()}
        for name, node in nodes.items():
            for child in {child.name: None for child in chosen[name].dependencies if child.name != name}:
                if child in nodes:
                    node.add_parent(nodes[child])
        return [node for node in nodes.values() if node.parents or not node.children]

    def upstream(self, filtered_datasets: Iterable[str] = ()) -> list[StarlakeDependency]:
        """Return the dependencies of the transforms that they do not write themselves, in a defined order.

        Args:
            filtered_datasets: Further tables to leave out.
        """
        hidden = {*self.filtered_datasets, *filtered_datasets}
        own = {root.uri for root in self.dependencies}
        found = {
            child.uri: child
            for root in self.dependencies
            for child in root.dependencies
            if child.uri not in own and not hidden & {child.uri, child.uri.lower(), child.name, child.sink}
        }
        return list(found.values())

    def __iter__(self) -> Iterator[StarlakeDependency]:
        return iter(self.dependencies)

    def __getitem__(self, index: Any) -> Any:
        return self.dependencies[index]

    def __len__(self) -> int:
        return len(self.dependencies)

    def __repr__(self) -> str:
        return f"StarlakeDependencies({self.dependencies})"


def _read_by(reader: str, name: str, known: Mapping[str, StarlakeDependency]) -> StarlakeDependency:
    found = known.get(name)
    if found is None:
        near = difflib.get_close_matches(name, known, n=1)
        raise StarlakeError(
            f"{reader} reads {name}, which is neither one of the tables nor one of the tasks",
            fix=f"write {near[0]}" if near else f"add {name} to the tables or the tasks",
        )
    return found


def _walk(roots: Iterable[StarlakeDependency]) -> Iterator[StarlakeDependency]:
    """Yield all dependencies, each once, level by level."""
    seen: set[str] = set()
    waiting = list(roots)
    for node in waiting:
        if node.name not in seen:
            seen.add(node.name)
            yield node
            waiting.extend(child for child in node.dependencies if child.name not in seen)


def _read(text: str) -> list[StarlakeDependency]:
    """Parse the JSON; each node of it once, at any depth."""
    places = _parsed(text)
    known: dict[str, StarlakeDependency] = {}
    children: dict[str, dict[str, None]] = {}
    roots = [_name(place) for place in places]
    waiting = list(places)
    for place in waiting:
        name = _name(place)
        if name not in known:
            known[name] = _dependency(name, place["data"])
        below = place.get("children") or []
        children.setdefault(name, {}).update(dict.fromkeys(map(_name, below)))
        waiting.extend(below)
    for name, below_it in children.items():
        known[name].dependencies = [known[child] for child in below_it]
    return [known[name] for name in dict.fromkeys(roots)]


def _parsed(text: str) -> list[Mapping[str, Any]]:
    try:
        places = json.loads(text)
    except json.JSONDecodeError as error:
        raise StarlakeError(
            "the dependencies are not valid JSON",
            cause=f"{error.msg} in line {error.lineno}, column {error.colno}",
            fix="generate the file again",
        ) from None
    except RecursionError:
        raise StarlakeError(
            "the dependencies are nested too deeply for Python to read",
            fix="write a node without its children where they stand elsewhere, or split the tasks over several files",
        ) from None
    if not isinstance(places, list):
        raise StarlakeError("the dependencies are not a JSON list", fix="generate the file again")
    return places


def _name(place: Any) -> str:
    data = place.get("data") if isinstance(place, Mapping) else None
    name = data.get("name") if isinstance(data, Mapping) else None
    if not isinstance(name, str) or not name:
        raise StarlakeError(
            f"a dependency has no name: {json.dumps(place)[:200]}", fix='write it as {"data": {"name": ...}}'
        )
    return name


def _dependency(name: str, data: Mapping[str, Any]) -> StarlakeDependency:
    return StarlakeDependency(
        name,
        StarlakeDependencyType.TASK if data.get("typ") == "task" else StarlakeDependencyType.TABLE,
        cron=data.get("cron"),
        sink=data.get("sink"),
        stream=data.get("stream"),
        freshness=data.get("freshness") or 0,
    )
