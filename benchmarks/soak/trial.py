"""Common parts of trials: a number of attempts, a time limit, and the counts of defects."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

LOST, DOUBLED, LEAKED, GREEN, RED = KINDS = ("lost", "doubled", "leaked", "false green", "false red")
"""Rows, files or events lost or doubled; things left behind; successes and failures that were none."""

T = TypeVar("T")


@dataclass
class Tally:
    """Counts of a trial.

    Args:
        tried: Number of attempts.
        found: Number of defects of each kind.
        defects: Descriptions of the first ones.
        facts: Other figures, by what they mean: of how much the attempts consisted, how long something took.
    """

    tried: int = 0
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    defects: list[str] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    def defect(self, kind: str, what: str, count: int = 1) -> None:
        """Count a defect."""
        self.found[kind] += count
        if len(self.defects) < 20:
            self.defects.append(f"{kind}: {what}")

    def require(self, condition: object, kind: str, what: str) -> None:
        """Count a defect unless something is true."""
        if not condition:
            self.defect(kind, what)

    def add(self, fact: str, number: float = 1) -> None:
        """Add to a figure."""
        self.facts[fact] = self.facts.get(fact, 0) + number

    def most(self, fact: str, number: float) -> None:
        """Keep the highest of some figures."""
        self.facts[fact] = max(self.facts.get(fact, number), number)

    @property
    def clean(self) -> bool:
        """True if there were attempts, and no defects."""
        return self.tried > 0 and not any(self.found.values())


class Bench:
    """Environment of a trial.

    Args:
        folder: A folder of its own, which is removed afterwards.
        attempts: Number of attempts to make.
        seconds: After how many seconds to begin no other attempt.
    """

    def __init__(self, folder: Path, attempts: int, seconds: float) -> None:
        self.folder = folder
        self.attempts = attempts
        self.tally = Tally()
        self._deadline = time.monotonic() + seconds

    @property
    def in_time(self) -> bool:
        """True if another attempt may begin."""
        return time.monotonic() < self._deadline

    def numbers(self) -> Iterator[int]:
        """Count attempts, as long as there is time."""
        for number in range(self.attempts):
            if not self.in_time:
                return
            self.tally.tried += 1
            yield number

    def batches(self, size: int) -> Iterator[list[int]]:
        """Count attempts that are made at once."""
        numbers = list(range(self.attempts))
        for first in range(0, self.attempts, size):
            if not self.in_time:
                return
            batch = numbers[first : first + size]
            self.tally.tried += len(batch)
            yield batch


@dataclass(frozen=True)
class Trial:
    """A trial.

    Args:
        title: Subject of the trial, for the table.
        text: Description of the trial, for the page.
        attempts: Number of attempts of `make soak`.
        few: Number of attempts of the test of its machinery.
        seconds: Its limit of time.
        run: Makes the attempts.
    """

    title: str
    text: str
    attempts: int
    few: int
    seconds: float
    run: Callable[[Bench], None]


def until(ask: Callable[[], T], seconds: float, pause: float = 0.05) -> T:
    """Asks until the answer is true, or the time is over; returns the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(pause)
