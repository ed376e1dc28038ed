"""Dependency trees as JSON text, as generated DAG files and ``lineage --deps`` carry them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ai.starlake.common import StarlakeError
from ai.starlake.project.graph import Graph
from ai.starlake.project.models import Task
from ai.starlake.project.tree import Node

_MOST_NODES = 100_000
"""Nodes of the largest text that is written, some 20 MB. In the text a node stands below each that depends on it, so
that layers of tasks that all read all of the layer below grow it exponentially."""


def dependencies_json(graph: Graph, tasks: Iterable[Task]) -> str:
    """The tasks with all that they depend on: a JSON list of ``{"data", "children", "task"}``.

    Args:
        graph: The graph of the project.
        tasks: The tasks, in the order of the list.

    Raises:
        StarlakeError: If tasks depend on each other in a circle, or if the text would be too large for anybody.
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


def _unfolded(roots: Sequence[Node]) -> int:
    """How many nodes a tree has once each shared one is written out; without walking them all, or recursion."""
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
