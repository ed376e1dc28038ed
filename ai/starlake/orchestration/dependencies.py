"""Dependencies of transforms, as generated DAG files carry them."""

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
    """The kind of a dependency: a transform (``task``), or a table that is loaded (``table``)."""

    TASK = "task"
    TABLE = "table"

    def __str__(self) -> str:
        return str(self.value)


class StarlakeDependency:
    """A transform, or a table that is loaded, with what it depends on.

    Args:
        name: Its Starlake name: ``domain.task`` or ``domain.table``.
        dependency_type: What it is.
        cron: When it is made, where that is scheduled.
        dependencies: What it depends on.
        sink: The table that it makes, where that has another name.
        stream: The stream of changes that it reads, where there is one.
        freshness: How many seconds old what it makes may be and still do.
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
        # Starlake up to 1.5.15 writes the text "None" for tables that are loaded
        self.sink = sink if sink and sink.strip().lower() != "none" else name
        self.stream = stream
        self.freshness = int(freshness or 0)

    @property
    def id(self) -> str:
        """Return its name."""
        return self.name

    @property
    def dataset(self) -> StarlakeDataset:
        """Return the table that it makes."""
        return StarlakeDataset(self.sink)

    @property
    def uri(self) -> str:
        """Return the name of that table in the orchestrator."""
        return self.dataset.uri

    @property
    def domain(self) -> str:
        """Return the domain of that table."""
        return self.sink.partition(".")[0]

    @property
    def table(self) -> str:
        """Return that table within its domain."""
        return self.sink.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"StarlakeDependency({self.name!r}, {str(self.dependency_type)!r})"


NodeT = TypeVar("NodeT")


class TreeNodeMixin(Generic[NodeT]):
    """A dependency in a tree, with those that it comes after and those that come after it.

    There is one for each name, however many ways lead to it.

    Args:
        id: Its name.
        node: What stands there.
    """

    def __init__(self, id: str, node: NodeT) -> None:  # noqa: A002  the name is part of the public contract
        self.id = id
        self.node = node
        self.parents: list[TreeNodeMixin[NodeT]] = []
        self.children: list[TreeNodeMixin[NodeT]] = []

    def add_parent(self, parent: TreeNodeMixin[NodeT]) -> None:
        """Put another one before this one."""
        self.parents.append(parent)
        parent.children.append(self)

    def __repr__(self) -> str:
        before = f" << [{', '.join(parent.id for parent in self.parents)}]" if self.parents else ""
        return f"{self.id}{before}"


class StarlakeDependencies(Sequence[StarlakeDependency]):
    """The transforms of a file, with all that they depend on.

    Args:
        dependencies: The transforms; or the JSON text that `dag-generate` writes of them: a list of ``{"data":
            {"name", "typ", "sink", "cron", "freshness", ...}, "children": [...], "task": true}``. It repeats a node
            below each one that depends on it; each name becomes one dependency, with the children of all its places. A
            node may stand without its children where they are written elsewhere.
        filtered_datasets: Tables, by name or name in the orchestrator, whose updates start nothing.

    Raises:
        StarlakeError: If the text cannot be read, or if a cron expression in it is not valid.
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
        """Return the transforms of a file as a table of names: each with what it ``reads``, and further facts.

        Args:
            tasks: The transforms of the file: ``{"kpi.sales": {"reads": ["shop.orders"], "sink": "kpi.sold"}}``. The
                facts are keyword arguments of `StarlakeDependency`.
            tables: The loaded tables that they read, directly or not.
            other_tasks: The transforms of other files that they read, directly or not.

        Raises:
            StarlakeError: If something reads a name that is in none of these, or if a cron expression is not valid.
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
        """Return the names of the transforms of the file."""
        return {root.name: None for root in self.dependencies}.keys()

    @property
    def all_dependencies(self) -> Set[str]:
        """Return the names of all that something depends on, in a settled order."""
        return {child.name: None for node in self._all.values() for child in node.dependencies}.keys()

    @property
    def everything(self) -> list[StarlakeDependency]:
        """Return the transforms of the file and all that they depend on, at any level."""
        return list(self._all.values())

    def get_dependency(self, name: str) -> StarlakeDependency | None:
        """Find a dependency by its name, at any level."""
        return self._all.get(name)

    def graphs(self, *, run_dependencies_first: bool = False) -> list[TreeNodeMixin[StarlakeDependency]]:
        """Return the trees of what is to be run, in a settled order: each node with those that come right before it.

        A node that only others name, as one that comes before them, has no tree of its own.

        Args:
            run_dependencies_first: Whether all that the transforms depend on is run; otherwise they alone are.
        """
        chosen = self._all if run_dependencies_first else {root.name: root for root in self.dependencies}
        nodes = {name: TreeNodeMixin(name, dependency) for name, dependency in chosen.items()}
        for name, node in nodes.items():
            for child in {child.name: None for child in chosen[name].dependencies if child.name != name}:
                if child in nodes:
                    node.add_parent(nodes[child])
        return [node for node in nodes.values() if node.parents or not node.children]

    def upstream(self, filtered_datasets: Iterable[str] = ()) -> list[StarlakeDependency]:
        """Return what the transforms depend on and do not make themselves, in a settled order.

        Args:
            filtered_datasets: Further tables that do not count.
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
    """Yield all dependencies, each once, those of a level before those that they depend on."""
    seen: set[str] = set()
    waiting = list(roots)
    for node in waiting:
        if node.name not in seen:
            seen.add(node.name)
            yield node
            waiting.extend(child for child in node.dependencies if child.name not in seen)


def _read(text: str) -> list[StarlakeDependency]:
    """Read the JSON text; each place of it once, however deep."""
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
