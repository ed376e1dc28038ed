"""Dependencies as indented text."""

from __future__ import annotations

from ai.starlake.project import Task
from ai.starlake.project.lineage.graph import Graph

_MOST_LINES = 10_000


def tree_lines(graph: Graph, task: Task) -> list[str]:
    """A task and all that it reads, two blanks a level.

    What several tasks read stands below each of them; past ten thousand lines it is named without what it reads itself.
    """
    lines: list[str] = []
    stack = [(graph.dependency_tree(task), 0)]
    while stack:
        node, depth = stack.pop()
        lines.append("  " * depth + str(node["data"]["name"]))
        if len(lines) < _MOST_LINES:
            stack += [(child, depth + 1) for child in reversed(node.get("children", []))]
    return lines
