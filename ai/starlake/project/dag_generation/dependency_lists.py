"""Dependency trees as JSON, for generated DAG files and ``lineage --deps``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.project.lineage.dependency_nodes import Node
from ai.starlake.project.lineage.graph import Graph
from ai.starlake.project.models import Task

_MOST_NODES = 100_000
"""Maximum number of nodes in the JSON, about 20 MB. A node is repeated below each of its consumers, so layers of tasks
that all read the whole layer below grow it exponentially."""


def dependencies_json(graph: Graph, tasks: Iterable[Task]) -> str:
    """Return the tasks with all their dependencies: a JSON list of ``{"data", "children", "task"}``.

    Args:
        graph: The graph of the project.
        tasks: The tasks, in the order of the list.

    Raises:
        StarlakeError: If tasks have circular dependencies, or if the JSON would be too large.
    """
    nodes = [graph.dependency_tree(task) for task in tasks]
    size = _unfolded(nodes)
    if size > _MOST_NODES:
        raise StarlakeError(
            f"the dependency tree has {size} nodes; {_MOST_NODES} are the most that are written",
            cause="a task stands once below each task that reads it, on every way that leads to it",
            fix="ask for fewer tasks, or give the layers of tasks DAG files of their own",
        )
    return json.dumps(nodes, indent=2, ensure_ascii=False)


_FACTS = ("sink", "cron", "freshness")
"""Facts about a dependency besides its name, its kind and its dependencies."""


def dependency_list(graph: Graph, tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """Return a list with each item once, after all its dependencies; linear in its size.

    Args:
        graph: The graph of the project.
        tasks: The tasks.

    Returns:
        For each table and task its ``name``, whether it is a ``task``, the names of its dependencies ``reads``, and its
        ``facts``: keyword arguments of a ``StarlakeDependency``.

    Raises:
        StarlakeError: If tasks have circular dependencies.
    """
    found: dict[str, dict[str, Any]] = {}
    stack = [(node, False) for node in reversed([graph.dependency_tree(task) for task in tasks])]
    while stack:
        node, seen = stack.pop()
        if _key(node) in found:
            continue
        children = node.get("children", [])
        if not seen:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(children))
            continue
        data = node["data"]
        found[_key(node)] = {
            "name": data["name"],
            "task": node["task"],
            "reads": [found[_key(child)]["name"] for child in children],
            "facts": dict(_facts(data)),
        }
    return list(found.values())


def _key(node: Node) -> str:
    return str(node["data"]["name"]).lower()


def _facts(data: Node) -> Iterator[tuple[str, Any]]:
    for name in _FACTS:
        value = data.get(name)
        if value and value not in ("None", data["name"]):
            yield name, value


def _unfolded(roots: Sequence[Node]) -> int:
    """Return the number of nodes of a tree with all shared ones repeated; without visiting all, or recursion."""
    sizes: dict[int, int] = {}
    stack = [(node, False) for node in roots]
    while stack:
        node, seen = stack.pop()
        if id(node) in sizes:
            continue
        children = node.get("children", ())
        if seen:
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in children)
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in children)
    return sum(sizes[id(node)] for node in roots)
