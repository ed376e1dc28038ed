"""The decision whether a pipeline starts, and for which intervals: without a clock or a storage."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cached_property

from ai.starlake.common import DataInterval, zone_of
from ai.starlake.orchestration.freshness.memory import Memory, Window
from ai.starlake.orchestration.freshness.policy import Policy, TriggerDataset
from ai.starlake.orchestration.freshness.windows import typical_period

_MOST_RUNS = 100
"""Maximum number of runs that a tick starts; the next tick continues."""

_MOST_WAITING = 500
"""Maximum number of intervals that wait for data; the oldest of more are left out, and named."""

_SLOWER = 1.1
"""Factor between a dataset's period and the cycle from which it is slower: months differ by a few days."""


@dataclass(frozen=True)
class Update:
    """One materialization of a dataset.

    Args:
        storage_id: Its id; a later one has a higher id.
        at: Time at which it was recorded.
        logical: The logical date of the run that recorded it.
    """

    storage_id: int
    at: datetime
    logical: datetime


@dataclass(frozen=True)
class Start:
    """A run to start.

    Args:
        logical: Its logical date.
        interval: The time span whose data it processes.
        because: The datasets that were updated in this interval since the last run for it.
        updates: By dataset, the id of the update that it will see.
    """

    logical: datetime
    interval: DataInterval
    because: tuple[str, ...]
    updates: Mapping[str, int]


@dataclass(frozen=True)
class Wait:
    """No run is started.

    Args:
        reason: The reason.
    """

    reason: str


@dataclass(frozen=True)
class Decision:
    """The result of one check.

    Args:
        outcome: The runs to start, in the order of their intervals, or the reason for starting no run.
        memory: The state for the next check.
        left_out: The starts of intervals that have updates and get no run.
    """

    outcome: tuple[Start, ...] | Wait
    memory: Memory
    left_out: tuple[datetime, ...] = ()


def decide(policy: Policy, memory: Memory, updates: Mapping[str, Sequence[Update]], now: datetime) -> Decision:
    """Decide once.

    A run is started if a dataset was updated since the last run and the condition holds. Without a data cycle, the
    condition is about datasets that were updated since the last run, or are fresh enough. With one, it is about
    datasets with an update for the cycle, for each updated cycle.

    Each interval with updates gets a run, oldest first. At the first check only the newest one does, unless the policy
    requires catching up.

    Args:
        policy: The policy of the pipeline.
        memory: The state of the last check.
        updates: The updates of each dataset since the last check, in the order of their ids. The last one of a dataset
            is always included, even if it is known already.
        now: The current time.
    """
    counted = {name: [update for update in found if update.at >= policy.begin] for name, found in updates.items()}
    counted = {name: found for name, found in counted.items() if found}
    newest_only = not policy.every_interval or (memory.looked is None and not policy.catchup)
    kept, dropped = _taken_in(policy, memory, counted, now)
    look = _Look(policy, kept, {name: found[-1] for name, found in counted.items()}, now)
    ready = look.ready()
    reason = look.why_not(ready)
    if reason:
        return Decision(Wait(reason), kept, dropped)
    if newest_only:
        started, left_out = look.newest(ready)
    else:
        started, left_out = look.each(ready[:_MOST_RUNS]), ()
    return Decision(started.runs, started.memory, (*dropped, *left_out))


def _taken_in(
    policy: Policy, memory: Memory, updates: Mapping[str, Sequence[Update]], now: datetime
) -> tuple[Memory, tuple[datetime, ...]]:
    """Add new updates to their intervals; also return the intervals that are too many to keep."""
    known = {dataset.name for dataset in policy.datasets}
    pending = {
        window: {name: number for name, number in names.items() if name in known}
        for window, names in memory.pending.items()
    }
    for name, found in updates.items():
        for update in found:
            if update.storage_id > memory.consumed.get(name, 0):
                pending.setdefault(_window(policy, update), {})[name] = update.storage_id
    waiting = sorted((window for window, names in pending.items() if names), key=_order)
    kept = replace(
        memory,
        looked=memory.looked or now,
        consumed={
            **memory.consumed,
            **{name: max(found[-1].storage_id, memory.consumed.get(name, 0)) for name, found in updates.items()},
        },
        furthest=_furthest(memory.furthest, updates),
        pending={window: pending[window] for window in waiting[-_MOST_WAITING:]},
    )
    return kept, tuple(window for window in waiting[:-_MOST_WAITING] if window)


def _window(policy: Policy, update: Update) -> Window:
    """Return the start of the interval of an update; None if intervals are the times between runs."""
    if policy.every is None:
        return None
    window = policy.windows.window_of(policy.every, policy.zone, update.logical)
    return window.start.astimezone(timezone.utc)  # in UTC, equal timestamps are equal keys


def _order(window: Window) -> float:
    return window.timestamp() if window else 0


def _furthest(known: Mapping[str, datetime], updates: Mapping[str, Sequence[Update]]) -> dict[str, datetime]:
    found = {
        name: max((*(update.logical for update in new), known.get(name, new[-1].logical)), key=datetime.timestamp)
        for name, new in updates.items()
    }
    return {**known, **found}


@dataclass(frozen=True)
class _Started:
    runs: tuple[Start, ...]
    memory: Memory


@dataclass(frozen=True)
class _Look:
    """One check of the current state.

    Args:
        policy: The policy of the pipeline.
        memory: The current state.
        latest: The last update of each dataset that has one.
        now: The current time.
    """

    policy: Policy
    memory: Memory
    latest: Mapping[str, Update]
    now: datetime

    def ready(self) -> list[Window]:
        """Return the intervals for which a run may start, oldest first."""
        windows = sorted(self.memory.pending, key=_order)
        if self.policy.cycle is None:
            return windows if self.policy.condition.holds(self._available(None)) else []
        return [
            window
            for window in windows
            if window in self.memory.started or self.policy.condition.holds(self._available(window))
        ]

    def why_not(self, ready: Sequence[Window]) -> str | None:
        """Return the reason why no run starts; None if one does."""
        pending = self.memory.pending
        if not pending:
            return f"nothing new in {_listed(dataset.name for dataset in self.policy.datasets)}"
        if not ready:
            newest = max(pending, key=_order)
            new = sorted(pending[newest] if self.policy.cycle else self._new)
            available = self._available(newest)
            missing = _listed(dataset.name for dataset in self.policy.datasets if dataset.name not in available)
            cycle = (
                f" of the cycle that begins at {newest.astimezone(zone_of(self.policy.zone)).isoformat()}"
                if self.policy.cycle and newest
                else ""
            )
            more = f"; {len(pending) - 1} earlier cycle(s) wait too" if self.policy.cycle and len(pending) > 1 else ""
            return f"{_listed(new)} new, waits for {missing}{cycle} (starts on: {self.policy.condition}){more}"
        launched, seconds = self.memory.launched, self.policy.min_between_runs
        if launched and (self.now - launched).total_seconds() < seconds:
            earliest = launched + timedelta(seconds=seconds)
            return f"ready, but not before {earliest:%Y-%m-%d %H:%M:%S %Z}: min_timedelta_between_runs"
        return None

    def each(self, windows: Sequence[Window]) -> _Started:
        """Start a run for each of some intervals."""
        started = _Started((), self.memory)
        for window in windows:
            run, memory = self._start(started.memory, window, started.memory.pending[window])
            started = _Started((*started.runs, run), memory)
        return started

    def newest(self, ready: Sequence[Window]) -> tuple[_Started, tuple[datetime, ...]]:
        """Start a run for the newest interval only; earlier ones are left out."""
        window = ready[-1]
        older = [other for other in self.memory.pending if _order(other) < _order(window)]
        own = self.memory.pending[window]
        updates = own if self.policy.cycle else {name: self.memory.consumed[name] for name in self._new}
        memory = replace(
            self.memory, pending={other: names for other, names in self.memory.pending.items() if other not in older}
        )
        run, memory = self._start(memory, window, updates)
        return _Started((run,), memory), tuple(other for other in sorted(older, key=_order) if other)

    def _start(self, memory: Memory, window: Window, updates: Mapping[str, int]) -> tuple[Start, Memory]:
        logical, interval = self._dates(memory, window, updates)
        goes_on = memory.logical is None or logical.timestamp() >= memory.logical.timestamp()
        kept = replace(
            memory.without(window, self._used(window)),
            launched=self.now,
            logical=logical if goes_on else memory.logical,
            previous=interval.start if goes_on else memory.previous,
        )
        return Start(logical, interval, tuple(sorted(updates)), dict(updates)), kept

    def _dates(self, memory: Memory, window: Window, names: Iterable[str]) -> tuple[datetime, DataInterval]:
        """Return the logical date of a run, and its data interval.

        These are the cycle; without a cycle, the window of the most frequent cron expression if all datasets have one;
        else the time since the last run.
        """
        if self.policy.every is not None and window is not None:
            found = self.policy.windows.window_of(self.policy.every, self.policy.zone, window)
            return found.start, found
        anchor = max((self._last(name) for name in names), key=datetime.timestamp)
        return anchor, DataInterval(_since(self.policy, memory, anchor), anchor)

    def _last(self, name: str) -> datetime:
        return self.latest[name].logical if name in self.latest else self.memory.furthest[name]

    @cached_property
    def _new(self) -> frozenset[str]:
        return frozenset(name for names in self.memory.pending.values() for name in names)

    def _available(self, window: Window) -> Collection[str]:
        """Return the datasets that need no further wait."""
        if self.policy.cycle is None:
            fresh = {
                dataset.name
                for dataset in self.policy.datasets
                if dataset.name in self.latest
                and (self.now - self.latest[dataset.name].at).total_seconds() < dataset.freshness
            }
            return self._new | fresh
        updated = self.memory.pending.get(window, {})
        return {
            dataset.name
            for dataset in self.policy.datasets
            if dataset.name in updated
            or _is_optional(self.policy, self.policy.cycle, dataset)
            or self._in_cycle(dataset, window)
        }

    def _in_cycle(self, dataset: TriggerDataset, window: Window) -> bool:
        policy, cycle = self.policy, self.policy.cycle
        if dataset.name not in self.latest or cycle is None or window is None:
            return False
        found = policy.windows.window_of(cycle, policy.zone, window)
        slack = dataset.freshness if policy.beyond_cycle and _may_exceed(policy, cycle, dataset) else 0
        first, end = found.start.timestamp() - slack, found.end.timestamp() + slack
        dates = self.latest[dataset.name].logical, self.memory.furthest[dataset.name]
        return any(first <= moment.timestamp() < end for moment in dates)

    def _used(self, window: Window) -> Mapping[Window, Collection[str]]:
        """Return, by interval, the datasets whose update there is used for a cycle, and needs no run of its own."""
        if self.policy.cycle is None:
            return {}
        found: dict[Window, list[str]] = {}
        for dataset in self.policy.datasets:
            if dataset.name in self.latest and self._in_cycle(dataset, window):
                found.setdefault(_window(self.policy, self.latest[dataset.name]), []).append(dataset.name)
        return found


def _is_optional(policy: Policy, cycle: str, dataset: TriggerDataset) -> bool:
    return policy.optional_datasets and _period(policy, dataset) > _SLOWER * _length(policy, cycle)


def _may_exceed(policy: Policy, cycle: str, dataset: TriggerDataset) -> bool:
    """Return True if a dataset's period and freshness together are longer than the cycle."""
    longest = _period(policy, dataset) + (dataset.freshness if dataset.cron else 0)
    return longest > _length(policy, cycle)


def _period(policy: Policy, dataset: TriggerDataset) -> float:
    """Return the seconds between two updates: from the cron expression, else from the freshness."""
    return _length(policy, dataset.cron) if dataset.cron else dataset.freshness


def _length(policy: Policy, cron: str) -> float:
    return typical_period(policy.windows, cron, policy.zone)


def _since(policy: Policy, memory: Memory, anchor: datetime) -> datetime:
    if memory.logical and anchor.timestamp() > memory.logical.timestamp():
        return memory.logical
    if memory.logical and memory.previous and anchor.timestamp() == memory.logical.timestamp():
        return memory.previous
    return min(policy.begin, anchor, key=datetime.timestamp)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
