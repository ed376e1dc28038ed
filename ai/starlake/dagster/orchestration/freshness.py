"""Decides whether a pipeline that waits for data starts, and for which dates. No Dagster, no clock, no storage."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property

from ai.starlake.common import DataInterval, zone_of
from ai.starlake.dagster.orchestration import partitions
from ai.starlake.dagster.orchestration.triggering import Condition

_SLOWER = 1.1
"""How much longer than the cycle a dataset's period is when it is slower: months differ by a few days."""


@dataclass(frozen=True)
class TriggerDataset:
    """A dataset whose updates may start a pipeline.

    Args:
        name: Its Starlake name, ``domain.table``.
        cron: When it is updated, where that is scheduled.
        freshness: How many seconds old it may be and still do.
    """

    name: str
    cron: str | None = None
    freshness: float = 0


@dataclass(frozen=True)
class Update:
    """One materialization of a dataset.

    Args:
        storage_id: Its number; a later one has a higher number.
        at: When it was recorded.
        logical: The logical date of the run that recorded it.
    """

    storage_id: int
    at: datetime
    logical: datetime


@dataclass(frozen=True)
class Policy:
    """What a pipeline waits for.

    Args:
        datasets: The datasets that it depends on.
        condition: Which of them have to be there.
        zone: The zone of cron expressions and of the start date.
        start: Updates of before that day count for nothing.
        cycle: The cron expression of the data cycle; None where there is none.
        optional_datasets: Whether datasets that are slower than the cycle are not waited for.
        beyond_cycle: Whether an update that is outside of the cycle counts where the dataset's freshness allows it.
        min_between_runs: The least seconds from one run to the next.
        period: The period in which the ticks of cron expressions are counted to compare them.
    """

    datasets: tuple[TriggerDataset, ...]
    condition: Condition
    zone: str = "UTC"
    start: date = partitions.DEFAULT_START
    cycle: str | None = None
    optional_datasets: bool = False
    beyond_cycle: bool = True
    min_between_runs: float = 0
    period: str = "week"

    @property
    def begin(self) -> datetime:
        """The first moment of the start date."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=zone_of(self.zone))

    @cached_property
    def every(self) -> str | None:
        """The cron expression whose windows runs are for: the data cycle, else the one that datasets are made by."""
        return self.cycle or common_cron(self.datasets, self.period, self.zone)


def common_cron(datasets: Collection[TriggerDataset], period: str, zone: str) -> str | None:
    """The most frequent cron expression of datasets; None where one of them has none.

    Args:
        datasets: The datasets.
        period: The period in which ticks are counted: the option `cron_period_frequency`.
        zone: The zone in which the cron expressions are meant.
    """
    crons = [dataset.cron for dataset in datasets if dataset.cron]
    return partitions.most_frequent(crons, period, zone) if crons and len(crons) == len(datasets) else None


@dataclass(frozen=True)
class Memory:
    """What is kept from one look to the next; its size depends on the number of datasets only.

    Args:
        consumed: By dataset, the number of the last update that a run was started for.
        furthest: By dataset, the logical date that it has got to.
        launched: When the last run was started.
        logical: The latest logical date that a run was started for.
        previous: What that run's data interval began with.
    """

    consumed: Mapping[str, int] = field(default_factory=dict)
    furthest: Mapping[str, datetime] = field(default_factory=dict)
    launched: datetime | None = None
    logical: datetime | None = None
    previous: datetime | None = None


@dataclass(frozen=True)
class Start:
    """A run is to be started.

    Args:
        logical: Its logical date.
        interval: The span of time whose data it is for.
        because: The datasets that were updated since the last run.
        updates: By dataset, the number of the update that it will see.
        memory: What to keep.
    """

    logical: datetime
    interval: DataInterval
    because: tuple[str, ...]
    updates: Mapping[str, int]
    memory: Memory


@dataclass(frozen=True)
class Wait:
    """No run is to be started.

    Args:
        reason: Why, in words.
        memory: What to keep.
    """

    reason: str
    memory: Memory


def decide(policy: Policy, memory: Memory, latest: Mapping[str, Update], now: datetime) -> Start | Wait:
    """Decides once.

    A run is started when a dataset was updated since the last run and the condition holds. Without a data cycle, the
    condition is about datasets that were updated since the last run, or are as fresh as they have to be. With one, it
    is about datasets that have an update for the cycle of the newest date.

    Args:
        policy: What the pipeline waits for.
        memory: What was kept from the last time.
        latest: The last update of each dataset that has one.
        now: The time.
    """
    latest = {name: update for name, update in latest.items() if update.at >= policy.begin}
    memory = replace(memory, furthest=_furthest(memory.furthest, latest))
    new = {name for name, update in latest.items() if update.storage_id > memory.consumed.get(name, 0)}
    if not new:
        return Wait(f"nothing new in {_listed(dataset.name for dataset in policy.datasets)}", memory)
    anchor = max((latest[name].logical for name in new), key=datetime.timestamp)
    available = _available(policy, memory, latest, new, anchor, now)
    if not policy.condition.holds(available):
        missing = _listed(dataset.name for dataset in policy.datasets if dataset.name not in available)
        return Wait(f"{_listed(sorted(new))} new, waits for {missing} (starts on: {policy.condition})", memory)
    if memory.launched and (now - memory.launched).total_seconds() < policy.min_between_runs:
        earliest = memory.launched + timedelta(seconds=policy.min_between_runs)
        return Wait(f"ready, but not before {earliest:%Y-%m-%d %H:%M:%S %Z}: min_timedelta_between_runs", memory)
    return _start(policy, memory, latest, new, anchor, now)


def _start(
    policy: Policy, memory: Memory, latest: Mapping[str, Update], new: Set[str], anchor: datetime, now: datetime
) -> Start:
    logical, interval = _dates(policy, memory, anchor)
    updates = {name: update.storage_id for name, update in latest.items()}
    goes_on = memory.logical is None or logical.timestamp() >= memory.logical.timestamp()
    kept = replace(
        memory,
        consumed={**memory.consumed, **updates},
        launched=now,
        logical=logical if goes_on else memory.logical,
        previous=interval.start if goes_on else memory.previous,
    )
    return Start(logical, interval, tuple(sorted(new)), updates, kept)


def _furthest(known: Mapping[str, datetime], latest: Mapping[str, Update]) -> dict[str, datetime]:
    found = {
        name: max(update.logical, known.get(name, update.logical), key=datetime.timestamp)
        for name, update in latest.items()
    }
    return {**known, **found}


def _available(
    policy: Policy,
    memory: Memory,
    latest: Mapping[str, Update],
    new: Set[str],
    anchor: datetime,
    now: datetime,
) -> Collection[str]:
    """The datasets that need not be waited for."""
    if policy.cycle is None:
        fresh = {
            dataset.name
            for dataset in policy.datasets
            if dataset.name in latest and (now - latest[dataset.name].at).total_seconds() < dataset.freshness
        }
        return new | fresh
    return {
        dataset.name
        for dataset in policy.datasets
        if _is_optional(policy, policy.cycle, dataset)
        or _in_cycle(policy, policy.cycle, dataset, anchor, _dates_of(dataset, memory, latest))
    }


def _dates_of(dataset: TriggerDataset, memory: Memory, latest: Mapping[str, Update]) -> tuple[datetime, ...]:
    """The dates that a dataset is known to have data for: where it has got to, and what was made again last."""
    update = latest.get(dataset.name)
    return (update.logical, memory.furthest[dataset.name]) if update else ()


def _in_cycle(
    policy: Policy, cycle: str, dataset: TriggerDataset, anchor: datetime, dates: tuple[datetime, ...]
) -> bool:
    window = partitions.window_of(partitions.cycles(cycle, policy.zone), anchor)
    slack = dataset.freshness if policy.beyond_cycle and _may_exceed(policy, cycle, dataset) else 0
    first, end = window.start.timestamp() - slack, window.end.timestamp() + slack
    return any(first <= moment.timestamp() < end for moment in dates)


def _is_optional(policy: Policy, cycle: str, dataset: TriggerDataset) -> bool:
    return policy.optional_datasets and _period(policy, dataset) > _SLOWER * _length(policy, cycle)


def _may_exceed(policy: Policy, cycle: str, dataset: TriggerDataset) -> bool:
    """Whether a dataset's period and freshness together are longer than the cycle."""
    longest = _period(policy, dataset) + (dataset.freshness if dataset.cron else 0)
    return longest > _length(policy, cycle)


def _period(policy: Policy, dataset: TriggerDataset) -> float:
    """The seconds between two updates: by the cron expression, else as the freshness says."""
    return _length(policy, dataset.cron) if dataset.cron else dataset.freshness


def _length(policy: Policy, cron: str) -> float:
    return partitions.typical_period(cron, policy.zone)


def _dates(policy: Policy, memory: Memory, anchor: datetime) -> tuple[datetime, DataInterval]:
    """The logical date of a run, and its data interval.

    These are the cycle of the newest update; without a cycle, the window of the most frequent cron expression where all
    datasets have one; else what came since the last run.
    """
    if policy.every is not None:
        window = partitions.window_of(partitions.cycles(policy.every, policy.zone), anchor)
        return window.start, DataInterval(window.start, window.end)
    return anchor, DataInterval(_since(policy, memory, anchor), anchor)


def _since(policy: Policy, memory: Memory, anchor: datetime) -> datetime:
    if memory.logical and anchor.timestamp() > memory.logical.timestamp():
        return memory.logical
    if memory.logical and memory.previous and anchor.timestamp() == memory.logical.timestamp():
        return memory.previous
    return min(policy.begin, anchor, key=datetime.timestamp)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
