"""The graph of a pipeline as boxes within boxes: what both kinds of pictures start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ai.starlake.orchestration.runs import Graph


@dataclass
class Block:
    """A step, or a group of blocks.

    Args:
        path: Its name, with those of the groups that it is in.
        label: How it is shown.
        members: What is in a group, by name; None for a step.
        edges: Pairs of names of members: the second one comes after the first.
    """

    path: tuple[str, ...]
    label: str
    members: dict[str, Block] | None = None
    edges: dict[tuple[str, str], None] = field(default_factory=dict)

    def walk(self) -> Iterator[Block]:
        """The block and all that is in it, at any level."""
        yield self
        for member in (self.members or {}).values():
            yield from member.walk()


def blocks_of(graph: Graph) -> Block:
    """The graph as one block, in which each edge stands in the innermost group that both of its ends are in.

    An edge that leads out of a group starts at the group: whatever comes after a part of it comes after it, as a rule.
    """
    root = Block((), graph.name, {})
    paths = {}
    for node in graph.nodes:
        block = root
        for group in node.groups:
            members = block.members
            assert members is not None  # noqa: S101  a group has members
            block = members.setdefault(group, Block((*block.path, group), group, {}))
        assert block.members is not None  # noqa: S101
        path = (*block.path, node.label)
        block.members[node.label] = Block(path, node.label)
        paths[node.name] = path
    for before, after in graph.edges:
        _connect(root, paths[before], paths[after])
    return root


def _connect(root: Block, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    block = root
    for one, other in zip(before, after, strict=False):
        if one != other:
            block.edges[one, other] = None
            return
        assert block.members is not None  # noqa: S101
        block = block.members[one]
