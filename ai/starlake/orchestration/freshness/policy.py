"""The policy of a pipeline that waits for data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError, zone_of
from ai.starlake.orchestration.dates.first_day import DEFAULT_START, first_day
from ai.starlake.orchestration.freshness.triggering import Condition, condition_of
from ai.starlake.orchestration.freshness.windows import CRON_WINDOWS, Windows, most_frequent

if TYPE_CHECKING:
    from ai.starlake.orchestration.orchestration_options import OrchestrationOptions


@dataclass(frozen=True)
class TriggerDataset:
    """A dataset whose updates may start a pipeline.

    Args:
        name: Its Starlake name, ``domain.table``.
        cron: Its cron expression, if it is scheduled.
        freshness: Maximum age of its data in seconds.
    """

    name: str
    cron: str | None = None
    freshness: float = 0


@dataclass(frozen=True)
class Policy:
    """The data that a pipeline waits for.

    Args:
        datasets: The datasets of the pipeline.
        condition: The condition over them.
        zone: The time zone of cron expressions and of the start date.
        start: Earlier updates are ignored.
        cycle: The cron expression of the data cycle; None without one.
        optional_datasets: True if datasets that are slower than the cycle are not waited for.
        beyond_cycle: True if an update outside of the cycle is used if the dataset's freshness allows it.
        min_between_runs: Minimum seconds between two runs.
        period: The period in which the ticks of cron expressions are counted to compare them.
        every_interval: True if each interval with updates gets a run; otherwise only the newest does.
        catchup: True if the first check starts runs for all records since the start date.
        windows: The arithmetic of cron expressions.
    """

    datasets: tuple[TriggerDataset, ...]
    condition: Condition
    zone: str = "UTC"
    start: date = DEFAULT_START
    cycle: str | None = None
    optional_datasets: bool = False
    beyond_cycle: bool = True
    min_between_runs: float = 0
    period: str = "week"
    every_interval: bool = True
    catchup: bool = False
    windows: Windows = CRON_WINDOWS

    @property
    def begin(self) -> datetime:
        """First instant of the start date."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=zone_of(self.zone))

    @cached_property
    def every(self) -> str | None:
        """Cron expression that defines the windows of runs: the data cycle, else the common one of the datasets."""
        return self.cycle or common_cron(self.datasets, self.period, self.zone, self.windows)


def common_cron(datasets: Collection[TriggerDataset], period: str, zone: str, windows: Windows) -> str | None:
    """Return the most frequent cron expression of datasets; None if one of them has none.

    Args:
        datasets: The datasets.
        period: The period in which ticks are counted: the option `cron_period_frequency`.
        zone: The time zone of the cron expressions.
        windows: The arithmetic of cron expressions.
    """
    crons = [dataset.cron for dataset in datasets if dataset.cron]
    return most_frequent(windows, crons, period, zone) if crons and len(crons) == len(datasets) else None


def policy_of(
    datasets: Sequence[TriggerDataset], options: OrchestrationOptions, windows: Windows = CRON_WINDOWS
) -> Policy:
    """Return the policy of a pipeline from its options.

    Args:
        datasets: The datasets of the pipeline.
        options: The options of the pipeline.
        windows: The arithmetic of cron expressions.

    Raises:
        StarlakeError: If there is no dataset, or if an option or a dataset's cron expression is invalid.
    """
    if not datasets:
        raise StarlakeError(
            "a pipeline that depends on no dataset cannot wait for one", fix="give it a schedule, or start it by hand"
        )
    for cron in filter(None, [options.data_cycle, *(dataset.cron for dataset in datasets)]):
        windows.check(cron, options.zone)
    return Policy(
        datasets=tuple(datasets),
        condition=condition_of(options.dataset_triggering_strategy, [dataset.name for dataset in datasets]),
        zone=options.zone,
        start=first_day(options.start_date),
        cycle=cycle_of(datasets, options, windows),
        optional_datasets=options.optional_dataset_enabled,
        beyond_cycle=options.beyond_data_cycle_enabled,
        min_between_runs=options.min_timedelta_between_runs,
        period=options.cron_period_frequency,
        every_interval=options.missed_intervals == "run",
        catchup=options.catchup,
        windows=windows,
    )


def cycle_of(
    datasets: Sequence[TriggerDataset], options: OrchestrationOptions, windows: Windows = CRON_WINDOWS
) -> str | None:
    """Return the cron expression of the data cycle, else that of the data; None without one."""
    if not options.data_cycle_enabled:
        return None
    return options.data_cycle or common_cron(datasets, options.cron_period_frequency, options.zone, windows)
