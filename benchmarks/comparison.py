"""Result of a measurement, compared with a limit."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Ours against a limit, both measured in turns.

    Args:
        what: Name of the measurement.
        unit: Such as ``s``.
        ours: Our measurements.
        limit: Those of the limit; empty when the goal is a number in the unit, not a ratio.
        goal: The highest ratio, or number, that we want; None when there is no goal.
    """

    what: str
    unit: str
    ours: Sequence[float]
    limit: Sequence[float] = ()
    goal: float | None = None

    @property
    def our_median(self) -> float:
        return statistics.median(self.ours)

    @property
    def limit_median(self) -> float | None:
        return statistics.median(self.limit) if self.limit else None

    @property
    def ratio(self) -> float | None:
        """The median of the ratios of neighbouring measurements: noise that lasts longer hits both."""
        if not self.limit:
            return None
        return statistics.median(ours / limit for ours, limit in zip(self.ours, self.limit, strict=True))

    @property
    def met(self) -> bool | None:
        """True if the goal is met; None without a goal."""
        if self.goal is None:
            return None
        return (self.our_median if self.ratio is None else self.ratio) <= self.goal


Results = list[dict[str, float]]
Measure = Callable[[], dict[str, float]]


def in_turns(ours: Measure, limit: Measure, repetitions: int) -> tuple[Results, Results]:
    """Measures two things alternately, the first one of each pair changing, after one round that does not count."""
    found: tuple[Results, Results] = ([], [])
    for turn in range(repetitions + 1):
        pair = [(found[0], ours), (found[1], limit)]
        for results, measure in pair if turn % 2 else reversed(pair):
            result = measure()
            if turn:
                results.append(result)
    return found


def values(results: Iterable[dict[str, float]], name: str) -> list[float]:
    """One figure of each result."""
    return [result[name] for result in results]
