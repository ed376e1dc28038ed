"""Reading the rows of minutes that changed since the last tick, and no more of them than a tick handles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.orchestration.outside.seen_minutes import SeenMinute
from ai.starlake.orchestration.outside.tracked_audit import (
    MICROSECONDS,
    TrackedAudit,
    all_rows,
    identity,
    minute_of,
    some_rows,
)

_MOST_READ_AGAIN = 10_000
"""Maximum number of rows that a tick reads again, to find the new ones among them."""
_ROWS_AT_ONCE = 2_000


@dataclass
class RowReading:
    """The reading of a tick.

    Args:
        audit: The audit.
        counts: The current number of rows of each minute.
        minutes: The known rows.
        budget: Maximum number of new rows.
    """

    audit: TrackedAudit
    counts: Mapping[int, int]
    minutes: dict[int, SeenMinute]
    budget: int
    found: list[AuditRow] = field(default_factory=list)
    unfinished: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    _read_again: int = 0

    def changed(self) -> list[int]:
        """Return the minutes whose rows differ from the known ones, in order."""
        for minute, seen in self.minutes.items():
            if self.counts.get(minute, 0) < seen.present:
                return sorted(self.counts)  # rows may be deleted: a minute may have lost as many as it got
        return sorted(minute for minute in self.counts if not self._is_known(minute))

    def read(self, changed: Sequence[int]) -> None:
        """Read changed minutes, oldest first.

        Args:
            changed: The minutes.
        """
        for minute in set(self.minutes) - set(self.counts):
            self.minutes[minute] = self.minutes[minute].without_rows()
        for minutes in self._together(changed):
            if self.budget <= 0 or self._read_again >= _MOST_READ_AGAIN:
                break
            (self._read_on if self._is_unread(minutes[0]) else self._read_anew)(minutes)
        self.unfinished.update(minute for minute in changed if not self._is_known(minute, most=True))

    def _is_known(self, minute: int, *, most: bool = False) -> bool:
        """Return True if all rows of a minute are known, or more than it had when they were counted."""
        seen, count = self.minutes.get(minute), self.counts[minute]
        return seen is not None and seen.position is None and (seen.present == count or (most and seen.present > count))

    def _is_unread(self, minute: int) -> bool:
        """Return True if the rows to read follow the known ones."""
        seen = self.minutes.get(minute)
        return seen is None or (seen.position is not None and seen.present <= self.counts[minute])

    def _together(self, changed: Sequence[int]) -> Iterator[list[int]]:
        """Yield minutes to read at once: of one kind, without others in between, and not too many rows."""
        places = {minute: place for place, minute in enumerate(sorted({*self.counts, *self.minutes}))}
        group: list[int] = []
        rows = 0
        for minute in changed:
            follows = bool(group) and places[minute] == places[group[-1]] + 1
            alike = bool(group) and self._is_unread(minute) == self._is_unread(group[0])
            is_started = minute in self.minutes and self.minutes[minute].position is not None
            if group and not (follows and alike and not is_started and rows < _ROWS_AT_ONCE):
                yield group
                group, rows = [], 0
            group.append(minute)
            rows += self.counts[minute]
        if group:
            yield group

    def _read_on(self, minutes: Sequence[int]) -> None:
        """Read minutes without known rows, or the rest of one and those that follow."""
        seen = self.minutes.get(minutes[0])
        since = minutes[0] * MICROSECONDS if seen is None or seen.position is None else seen.position
        rows, following = some_rows(self.audit, since, (minutes[-1] + 1) * MICROSECONDS, self.budget)
        position, last = following, minutes[-1]
        if following is not None:
            last = following // MICROSECONDS
            self.unfinished.add(last)
            if not rows:  # more rows than a tick handles ended in one microsecond
                rows, position = all_rows(self.audit, following, following + 1)[: self.budget], None
        self.found += rows
        self.budget -= len(rows)
        new = _by_minute(rows)
        for minute in sorted({*new, *minutes, last}):
            if minute <= last:
                self._add(minute, new.get(minute, ()), position if minute == last else None)

    def _add(self, minute: int, rows: Sequence[AuditRow], position: int | None) -> None:
        seen, numbers = self.minutes.get(minute), [identity(row) for row in rows]
        if seen is not None:
            self.minutes[minute] = seen.with_more(numbers, position)
        elif rows or position is not None:
            self.minutes[minute] = SeenMinute.of(numbers, position, expected=self.counts.get(minute, 0))

    def _read_anew(self, minutes: Sequence[int]) -> None:
        """Read all rows of minutes with known rows, and find the new ones among them."""
        expected = sum(self.counts[minute] for minute in minutes)
        rows = all_rows(self.audit, minutes[0] * MICROSECONDS, (minutes[-1] + 1) * MICROSECONDS, expected)
        self._read_again += len(rows)
        present = _by_minute(rows)
        for minute in sorted({*minutes, *present}):
            self._judge(minute, {identity(row): row for row in present.get(minute, ())})

    def _judge(self, minute: int, rows: Mapping[int, AuditRow]) -> None:
        seen = self.minutes.get(minute) or SeenMinute.of(())
        judged = seen.judged(list(rows))
        if not judged.sure:
            self.doubtful.add(minute)
        new = set(judged.new)
        taken = [number for number in rows if number in new][: max(0, self.budget)]
        self.found += [rows[number] for number in taken]
        self.budget -= len(taken)
        if len(taken) < len(new):
            self.unfinished.add(minute)
        self.minutes[minute] = seen.after(judged, taken)


def _by_minute(rows: Sequence[AuditRow]) -> dict[int, list[AuditRow]]:
    minutes: dict[int, list[AuditRow]] = {}
    for row in rows:
        minutes.setdefault(minute_of(row), []).append(row)
    return minutes
