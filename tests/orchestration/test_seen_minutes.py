"""The known rows of a minute are exact, although little is kept of each."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.orchestration.outside.packed_numbers import packed, unpacked
from ai.starlake.orchestration.outside.seen_minutes import IDENTITY_BITS, SeenMinute

ROWS = st.sets(st.integers(0, 2**IDENTITY_BITS - 1), max_size=25)


def _random_rows(count: int, seed: int = 0) -> list[int]:
    generator = random.Random(seed)
    return [generator.getrandbits(IDENTITY_BITS) for _ in range(count)]


@given(bits=st.integers(1, 64), numbers=st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_numbers_are_the_same_after_they_were_packed(bits, numbers):
    fitting = sorted(number % 2**bits for number in numbers)
    assert unpacked(packed(reversed(fitting), bits, len(fitting)), bits, len(fitting)) == fitting


@settings(max_examples=60)
@given(known=ROWS, new=ROWS, spare=st.integers(0, 3))
def test_new_rows_are_told_from_known_ones_even_if_their_prints_are_alike(known, new, spare):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ai.starlake.orchestration.outside.seen_minutes._SPARE_BITS", ())
        patch.setattr("ai.starlake.orchestration.outside.seen_minutes._FEWEST_SPARE_BITS", spare)
        patch.setattr("ai.starlake.orchestration.outside.seen_minutes._MOST_TRIALS", 1 << 8)
        judged = SeenMinute.of(sorted(known)).judged(sorted(known | new))
    assert not judged.sure or (set(judged.known), set(judged.new)) == (known, new - known)
    assert len(judged.known) == len(known)


def test_prints_that_are_alike_are_solved():
    """With no bits to spare, about two of three new rows have the print of a known one."""
    known, new = _random_rows(200), _random_rows(8, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ai.starlake.orchestration.outside.seen_minutes._SPARE_BITS", ())
        patch.setattr("ai.starlake.orchestration.outside.seen_minutes._FEWEST_SPARE_BITS", 0)
        minute = SeenMinute.of(known)
    prints = {row >> (IDENTITY_BITS - minute.bits) for row in known}
    assert sum(row >> (IDENTITY_BITS - minute.bits) in prints for row in new) > 2
    judged = minute.judged([*new, *known])
    assert judged.sure
    assert (set(judged.known), set(judged.new)) == (set(known), set(new))


def test_a_row_costs_less_than_two_bytes_in_a_busy_minute():
    minute = SeenMinute.of(_random_rows(1667))
    assert len(minute.prints) < 1667 * 1.6


def test_rows_that_were_removed_are_known_when_they_come_back():
    rows = _random_rows(50)
    minute = SeenMinute.of(rows)
    judged = minute.judged(rows[:10])
    assert judged.new == []
    fewer = minute.after(judged, [])
    assert (fewer.present, fewer.count) == (10, 50)
    more = fewer.judged([*rows, 7])
    assert (more.new, more.sure) == ([7], True)
    assert SeenMinute.of([*rows, 7]) == fewer.after(more, [7])


def test_a_minute_that_cannot_be_decided_says_so():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ai.starlake.orchestration.outside.seen_minutes._SPARE_BITS", ())
        patch.setattr("ai.starlake.orchestration.outside.seen_minutes._FEWEST_SPARE_BITS", 0)
        minute = SeenMinute.of([1, 2, 2**63])
    assert minute.judged([1, 2, 3, 2**63]).sure
    judged = minute.judged([1, 2, 3])  # one of them is new, and one that was known is gone
    assert not judged.sure
    assert (len(judged.known), len(judged.new)) == (2, 1)
