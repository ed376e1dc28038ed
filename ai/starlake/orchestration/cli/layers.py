"""Where things stand in a picture of a graph: in layers from left to right, with few crossings.

The method is that of Sugiyama: layers by longest path, long edges through a place in each layer between, and each layer
sorted by where its neighbours stand, back and forth.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

Edge = tuple[str, str]

_SWEEPS = 8


@dataclass(frozen=True)
class Bend:
    """The place of an edge in a layer that it only passes.

    Args:
        edge: The edge.
        layer: The layer.
    """

    edge: Edge
    layer: int


Place = str | Bend


@dataclass
class Layers:
    """The layers of a graph.

    Args:
        order: What stands in each layer, from top to bottom.
        routes: By edge, the places it goes through, its ends included.
    """

    order: list[list[Place]]
    routes: dict[Edge, list[Place]] = field(default_factory=dict)


def layers_of(names: Sequence[str], edges: Iterable[Edge]) -> Layers:
    """Puts names into layers.

    Args:
        names: What there is.
        edges: Pairs of names; the first one of each comes to stand left of the second.
    """
    forward = _without_circles(names, edges)
    layer = _longest_paths(names, forward)
    order: list[list[Place]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for name in names:
        order[layer[name]].append(name)
    routes: dict[Edge, list[Place]] = {}
    for edge in forward:
        bends = [Bend(edge, level) for level in range(layer[edge[0]] + 1, layer[edge[1]])]
        for bend in bends:
            order[bend.layer].append(bend)
        routes[edge] = [edge[0], *bends, edge[1]]
    return Layers(_untangled(order, routes.values()), routes)


def _without_circles(names: Sequence[str], edges: Iterable[Edge]) -> list[Edge]:
    """The edges without those that would close a circle: two groups may come after each other in parts."""
    kept = list(dict.fromkeys(edge for edge in edges if edge[0] != edge[1]))
    while (closing := _closing_edge(names, kept)) is not None:
        kept.remove(closing)
    return kept


def _closing_edge(names: Sequence[str], edges: Iterable[Edge]) -> Edge | None:
    """An edge of a circle; None where there is no circle."""
    try:
        _sorter(names, edges).prepare()
    except CycleError as error:
        first, second, *_ = error.args[1]
        return first, second
    return None


def _sorter(names: Sequence[str], edges: Iterable[Edge]) -> TopologicalSorter[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(names, ()))
    for before, after in edges:
        sorter.add(after, before)
    return sorter


def _longest_paths(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    before: dict[str, list[str]] = {}
    for first, second in edges:
        before.setdefault(second, []).append(first)
    layer: dict[str, int] = {}
    for name in _sorter(names, edges).static_order():
        layer[name] = max((layer[other] + 1 for other in before.get(name, ())), default=0)
    return layer


def _untangled(order: list[list[Place]], routes: Iterable[Sequence[Place]]) -> list[list[Place]]:
    left: dict[Place, list[Place]] = {}
    right: dict[Place, list[Place]] = {}
    for route in routes:
        for one, other in itertools.pairwise(route):
            left.setdefault(other, []).append(one)
            right.setdefault(one, []).append(other)
    best = order
    fewest = _crossings(order, right)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        order = _swept(order, left) if sweep % 2 == 0 else _swept(order[::-1], right)[::-1]
        count = _crossings(order, right)
        if count < fewest:
            best, fewest = order, count
    return best


def _swept(order: Sequence[Sequence[Place]], neighbours: Mapping[Place, Sequence[Place]]) -> list[list[Place]]:
    """Sorts each layer but the first by the average place of its neighbours in the layer before."""
    result = [list(order[0])]
    for layer in order[1:]:
        position = {place: index for index, place in enumerate(result[-1])}
        own = {place: index for index, place in enumerate(layer)}
        centre = {
            place: _average([position[other] for other in neighbours.get(place, ())], own[place]) for place in layer
        }
        result.append(sorted(layer, key=lambda place, centre=centre: centre[place]))  # type: ignore[misc]
    return result


def _average(values: Sequence[int], default: float) -> float:
    return sum(values) / len(values) if values else default


def _crossings(order: Sequence[Sequence[Place]], right: Mapping[Place, Sequence[Place]]) -> int:
    """How many pairs of edges cross, counted layer by layer with a sum tree."""
    total = 0
    for layer, following in itertools.pairwise(order):
        position = {place: index for index, place in enumerate(following)}
        ends = [position[other] for place in layer for other in sorted(right.get(place, ()), key=position.__getitem__)]
        total += _inversions(ends, len(following))
    return total


def _inversions(values: Sequence[int], size: int) -> int:
    tree = [0] * (size + 1)
    count = 0
    for seen, value in enumerate(values):
        index, not_greater = value + 1, 0
        while index:
            not_greater += tree[index]
            index &= index - 1
        count += seen - not_greater
        index = value + 1
        while index <= size:
            tree[index] += 1
            index += index & -index
    return count
