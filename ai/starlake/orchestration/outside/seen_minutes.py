"""Known rows of a minute, in two bytes for each of them and yet exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, combinations, product
from math import comb, prod
from operator import xor

from ai.starlake.orchestration.outside.packed_numbers import packed, unpacked

IDENTITY_BITS = 64
"""Bits of the number that identifies a row."""
_SPARE_BITS = ((64, 24), (512, 16))
_FEWEST_SPARE_BITS = 10
"""Number of bits of a print beyond those needed to count the rows of its minute, by the maximum of these."""
_MOST_TRIALS = 1 << 16


@dataclass(frozen=True)
class Judged:
    """The rows of a minute, classified.

    Args:
        known: Known rows.
        new: New rows.
        sure: True if that is certain.
    """

    known: list[int]
    new: list[int]
    sure: bool = True


@dataclass(frozen=True)
class SeenMinute:
    """The known rows of a minute.

    A print is the first bits of the number that identifies a row. A row without a print here is new. A row with the
    print of another one may be known or new: the number of equal prints gives the number of known rows, and the sum of
    the numbers of all known rows identifies them.

    Args:
        count: Number of known rows, including those that the audit no longer has: they may come back.
        present: Number of them in the audit.
        total: The numbers that identify them, added without carry.
        bits: The length of a print.
        prints: The prints, packed.
        position: End of the last read row, in microseconds, if the minute has more rows than a tick handles.
    """

    count: int
    present: int
    total: int
    bits: int
    prints: bytes
    position: int | None = None

    @classmethod
    def of(cls, rows: Sequence[int], position: int | None = None, *, expected: int = 0) -> SeenMinute:
        """Return the minute with some known rows.

        Args:
            rows: The numbers that identify them.
            position: End of the last read row, if not all were read.
            expected: Expected number of known rows, if that is more.
        """
        most = max(len(rows), expected)
        spare = next((spare for limit, spare in _SPARE_BITS if most <= limit), _FEWEST_SPARE_BITS)
        return cls(0, 0, 0, most.bit_length() + spare, b"").with_more(rows, position)

    def with_more(self, rows: Sequence[int], position: int | None = None) -> SeenMinute:
        """Return the minute with more known rows.

        Args:
            rows: The numbers that identify them.
            position: End of the last read row, if not all were read.
        """
        count = self.count + len(rows)
        prints = chain(unpacked(self.prints, self.bits, self.count), _prints(rows, self.bits))
        total, present = reduce(xor, rows, self.total), self.present + len(rows)
        return SeenMinute(count, present, total, self.bits, packed(prints, self.bits, count), position)

    def without_rows(self) -> SeenMinute:
        """Return the minute after its rows were deleted from the audit."""
        return replace(self, present=0, position=None)

    def after(self, judged: Judged, taken: Sequence[int]) -> SeenMinute:
        """Return the minute after all of its rows were read.

        Args:
            judged: Its rows, as classified by `judged`.
            taken: The new ones that become known.
        """
        if len(judged.known) < self.count:
            return replace(self, present=len(judged.known)).with_more(taken)
        return SeenMinute.of([*judged.known, *taken])

    def judged(self, rows: Sequence[int]) -> Judged:
        """Distinguish known rows from new ones.

        Args:
            rows: The numbers that identify all current rows of the minute.
        """
        prints = Counter(unpacked(self.prints, self.bits, self.count))
        found: dict[int, list[int]] = {}
        for row, mark in zip(rows, _prints(rows, self.bits), strict=True):
            found.setdefault(mark, []).append(row)
        known: list[int] = []
        new: list[int] = []
        doubtful: list[tuple[list[int], int]] = []
        for mark, same in found.items():
            if len(same) <= prints[mark]:
                known += same
            elif not prints[mark]:
                new += same
            else:
                doubtful.append((sorted(same), prints[mark]))
        return self._decided(known, new, doubtful) if doubtful else Judged(known, new)

    def _decided(self, known: list[int], new: list[int], doubtful: Sequence[tuple[list[int], int]]) -> Judged:
        complete = len(known) + sum(count for _, count in doubtful) == self.count  # otherwise rows are missing
        missing = reduce(xor, known, self.total)
        few = prod(comb(len(same), count) for same, count in doubtful) <= _MOST_TRIALS
        trials = product(*(combinations(same, count) for same, count in doubtful)) if complete and few else iter(())
        solved = next((trial for trial in trials if reduce(xor, chain(*trial), 0) == missing), None)
        chosen = set(chain(*(solved or (same[:count] for same, count in doubtful))))
        rest = [row for same, _ in doubtful for row in same if row not in chosen]
        return Judged([*known, *chosen], [*new, *rest], sure=solved is not None)


def _prints(rows: Iterable[int], bits: int) -> list[int]:
    return [row >> (IDENTITY_BITS - bits) for row in rows]
