"""Pictures of pipelines as Mermaid text, which GitHub and many editors draw."""

from __future__ import annotations

from collections.abc import Iterator

from ai.starlake.orchestration.cli.blocks import Block, blocks_of
from ai.starlake.orchestration.runs import Graph


def mermaid(graph: Graph) -> str:
    """The graph as a Mermaid flowchart."""
    root = blocks_of(graph)
    ids = {block.path: f"n{number}" for number, block in enumerate(root.walk())}
    lines = ["---", f"title: {graph.name}", "---", "flowchart LR", *_lines(root, ids, "  ")]
    return "\n".join(lines) + "\n"


def _lines(block: Block, ids: dict[tuple[str, ...], str], indent: str) -> Iterator[str]:
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
