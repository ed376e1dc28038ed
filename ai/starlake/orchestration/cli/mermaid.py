"""Draw pipelines as Mermaid flowcharts, which GitHub, GitLab and many editors show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ai.starlake.orchestration.pipeline_runs import PipelineGraph


def mermaid(graph: PipelineGraph) -> str:
    """Return a graph as a Mermaid flowchart."""
    root = _blocks_of(graph)
    ids = {block.path: f"n{number}" for number, block in enumerate(root.walk())}
    lines = ["---", f"title: {graph.name}", "---", "flowchart LR", *_lines(root, ids, "  ")]
    return "\n".join(lines) + "\n"


def _lines(block: _Block, ids: dict[tuple[str, ...], str], indent: str) -> Iterator[str]:
    for member in (block.members or {}).values():
        label = _quoted(member.label)
        if member.members is None:
            yield f"{indent}{ids[member.path]}[{label}]"
        else:
            yield f"{indent}subgraph {ids[member.path]}[{label}]"
            yield from _lines(member, ids, f"{indent}  ")
            yield f"{indent}end"
    for edge in block.edges:
        before, after = (ids.get((*block.path, name)) for name in edge)
        yield f"{indent}{before} --> {after}"


def _quoted(text: str) -> str:
    return '"' + text.replace("#", "#35;").replace('"', "#quot;") + '"'


@dataclass
class _Block:
    """A step, or a group of blocks.

    Args:
        path: Its name, with those of its groups.
        label: Its display name.
        members: The members of a group, by name; None for a step.
        edges: Pairs of names of members: the second one comes after the first.
    """

    path: tuple[str, ...]
    label: str
    members: dict[str, _Block] | None = None
    edges: dict[tuple[str, str], None] = field(default_factory=dict)

    def walk(self) -> Iterator[_Block]:
        """Yield the block and all nested blocks."""
        yield self
        for member in (self.members or {}).values():
            yield from member.walk()


def _blocks_of(graph: PipelineGraph) -> _Block:
    """Return the graph as one block; an edge is placed in the innermost group of both of its ends.

    An edge out of a group starts at the group: what follows a part of it usually follows all of it.
    """
    root = _Block((), graph.name, {})
    paths = {}
    for step in graph.steps:
        block = root
        for group in step.groups:
            members = block.members
            assert members is not None  # noqa: S101  a group has members
            block = members.setdefault(group, _Block((*block.path, group), group, {}))
        assert block.members is not None  # noqa: S101
        path = (*block.path, step.label)
        block.members[step.label] = _Block(path, step.label)
        paths[step.name] = path
    for before, after in graph.edges:
        _connect(root, paths[before], paths[after])
    return root


def _connect(root: _Block, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    block = root
    for one, other in zip(before, after, strict=False):
        if one != other:
            block.edges[one, other] = None
            return
        assert block.members is not None  # noqa: S101
        block = block.members[one]
