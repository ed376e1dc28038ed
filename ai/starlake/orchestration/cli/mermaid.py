"""Draw pipelines as Mermaid flowcharts, which GitHub, GitLab and many editors show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ai.starlake.orchestration.pipeline_runs import PipelineGraph


def mermaid(graph: PipelineGraph) -> str:
    """Return a graph as the text of a Mermaid flowchart."""
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
    """Hold a step, or a group of blocks.

    Args:
        path: Its name, with those of the groups that it is in.
        label: How it is shown.
        members: What is in a group, by name; None for a step.
        edges: Pairs of names of members: the second one comes after the first.
    """

    path: tuple[str, ...]
    label: str
    members: dict[str, _Block] | None = None
    edges: dict[tuple[str, str], None] = field(default_factory=dict)

    def walk(self) -> Iterator[_Block]:
        """Yield the block and all that is in it, at any level."""
        yield self
        for member in (self.members or {}).values():
            yield from member.walk()


def _blocks_of(graph: PipelineGraph) -> _Block:
    """Return the graph as one block; an edge stands in the innermost group that both of its ends are in.

    An edge that leads out of a group starts at the group: what comes after a part of it comes after it, as a rule.
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
