"""Pictures of pipelines as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from ai.starlake.orchestration.cli.blocks import Block, blocks_of
from ai.starlake.orchestration.cli.layers import Edge, Layers, Place, layers_of
from ai.starlake.orchestration.runs import Graph

_FONT = 13
_CHARACTER = 7.3
"""The width of a character of that size, on the average of the common sans-serif fonts; rather too much."""

_STEP_HEIGHT = 34
_BEND_HEIGHT = 10
_PADDING = 14
_TITLE = 24
_BETWEEN_LAYERS = 56
_BETWEEN_ROWS = 12
_MARGIN = 16

_STYLE = f"""
  text {{ font: {_FONT}px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2937; }}
  .step {{ fill: #ffffff; stroke: #3b6fb6; stroke-width: 1.2; }}
  .group {{ fill: #64748b; fill-opacity: 0.07; stroke: #94a3b8; stroke-dasharray: 4 3; }}
  .name {{ fill: #475569; font-weight: 600; }}
  .edge {{ fill: none; stroke: #64748b; stroke-width: 1.2; }}
  .tip {{ fill: #64748b; }}
"""


@dataclass
class _Box:
    """A block with a place and a size; the place is that within the group that it is in."""

    block: Block
    width: float
    height: float
    x: float = 0
    y: float = 0
    inner: dict[str, _Box] = field(default_factory=dict)
    lines: list[list[tuple[float, float]]] = field(default_factory=list)


def svg(graph: Graph) -> str:
    """The graph as a picture of its own size, steps from left to right."""
    root = _box(blocks_of(graph))
    width, height = root.width + 2 * _MARGIN, root.height + 2 * _MARGIN
    drawn = "\n".join(_drawn(root, _MARGIN, _MARGIN, outermost=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">\n<title>{escape(graph.name)}</title>\n<style>{_STYLE}</style>\n'
        '<defs><marker id="tip" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto">'
        '<path class="tip" d="M0,0 L9,4 L0,8 z"/></marker></defs>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{drawn}\n</svg>\n'
    )


def _box(block: Block) -> _Box:
    if block.members is None:
        return _Box(block, len(block.label) * _CHARACTER + 2 * _PADDING, _STEP_HEIGHT)
    inner = {name: _box(member) for name, member in block.members.items()}
    layers = layers_of(list(inner), block.edges)
    title = _TITLE if block.path else 0
    size, bends = _placed(inner, layers, title)
    box = _Box(block, max(size[0], len(block.label) * _CHARACTER + 2 * _PADDING if block.path else 0), size[1])
    box.inner = inner
    box.lines = [_line(edge, route, inner, bends) for edge, route in layers.routes.items()]
    return box


def _placed(
    inner: Mapping[str, _Box], layers: Layers, title: float
) -> tuple[tuple[float, float], dict[Place, tuple[float, float, float]]]:
    """Gives boxes their places, in columns that are centred; returns the size, and left, right and height of bends."""
    heights = [
        sum(_height(inner, place) for place in layer) + _BETWEEN_ROWS * (len(layer) - 1) for layer in layers.order
    ]
    tallest = max(heights, default=0)
    x: float = _PADDING
    bends: dict[Place, tuple[float, float, float]] = {}
    for layer, height in zip(layers.order, heights, strict=True):
        width = max((inner[place].width for place in layer if isinstance(place, str)), default=0)
        y = _PADDING + title + (tallest - height) / 2
        for place in layer:
            if isinstance(place, str):
                box = inner[place]
                box.x, box.y = x + (width - box.width) / 2, y
            else:
                bends[place] = (x, x + width, y + _BEND_HEIGHT / 2)
            y += _height(inner, place) + _BETWEEN_ROWS
        x += width + _BETWEEN_LAYERS
    return (max(x - _BETWEEN_LAYERS, _PADDING) + _PADDING, tallest + 2 * _PADDING + title), bends


def _height(inner: Mapping[str, _Box], place: Place) -> float:
    return inner[place].height if isinstance(place, str) else _BEND_HEIGHT


def _line(
    edge: Edge,
    route: Sequence[Place],
    inner: Mapping[str, _Box],
    bends: Mapping[Place, tuple[float, float, float]],
) -> list[tuple[float, float]]:
    first, last = inner[edge[0]], inner[edge[1]]
    points = [(first.x + first.width, first.y + first.height / 2)]
    for place in route[1:-1]:
        left, right, y = bends[place]
        points += [(left, y), (right, y)]
    return [*points, (last.x, last.y + last.height / 2)]


def _drawn(box: _Box, x: float, y: float, *, outermost: bool = False) -> Iterator[str]:
    label = escape(box.block.label)
    title = f"<title>{escape('.'.join(box.block.path))}</title>"
    if box.block.members is None:
        size = f'x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height}"'
        yield f'<rect class="step" {size} rx="6">{title}</rect>'
        middle = y + box.height / 2 + _FONT * 0.35
        yield f'<text x="{x + box.width / 2:.1f}" y="{middle:.1f}" text-anchor="middle">{label}</text>'
        return
    if not outermost:
        yield f'<rect class="group" x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="8"/>'
        yield f'<text class="name" x="{x + _PADDING:.1f}" y="{y + _PADDING + 8:.1f}">{label}</text>'
    for line in box.lines:
        yield f'<path class="edge" marker-end="url(#tip)" d="{_curve(line, x, y)}"/>'
    for inner in box.inner.values():
        yield from _drawn(inner, x + inner.x, y + inner.y)


def _curve(points: Sequence[tuple[float, float]], x: float, y: float) -> str:
    """A smooth line that leaves and arrives level; straight where it passes a layer."""
    start, *rest = [(x + dx, y + dy) for dx, dy in points]
    parts = [f"M{start[0]:.1f},{start[1]:.1f}"]
    for end in rest:
        middle = (start[0] + end[0]) / 2
        parts.append(f"C{middle:.1f},{start[1]:.1f} {middle:.1f},{end[1]:.1f} {end[0]:.1f},{end[1]:.1f}")
        start = end
    return " ".join(parts)
