"""Trees of what depends on what."""

from __future__ import annotations

from typing import Generic, TypeVar

NodeT = TypeVar("NodeT")


class TreeNodeMixin(Generic[NodeT]):
    """What stands in a tree, with what it comes after and what comes after it.

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
        """Puts another node before this one."""
        self.parents.append(parent)
        parent.children.append(self)

    def __repr__(self) -> str:
        before = f" << [{', '.join(parent.id for parent in self.parents)}]" if self.parents else ""
        return f"{self.id}{before}"
