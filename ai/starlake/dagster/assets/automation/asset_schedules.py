"""Jobs and schedules of assets: one of each per cron expression."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    DefaultScheduleStatus,
    PartitionsDefinition,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    StaticPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    define_asset_job,
)

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.common.crons import cron_identity, usual_cron
from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.rejects.rejected_keys import rejected_keys
from ai.starlake.dagster.pipelines.partition_schedules import schedule_of
from ai.starlake.dagster.pipelines.partitions import tickable

if TYPE_CHECKING:
    from ai.starlake.dagster._compat.graphs import AssetJob
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

_IN_WORDS = str.maketrans({"*": "x", "?": "x", "-": "to", ",": "and", "/": "by", "#": "no"})
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


@dataclass(frozen=True)
class ScheduledJobs:
    """Jobs of assets, and their schedules.

    Attributes:
        jobs: The jobs.
        schedules: Their schedules, in the same order.
    """

    jobs: Sequence[AssetJob]
    schedules: Sequence[ScheduleDefinition]


def schedules(build: AssetBuild) -> ScheduledJobs:
    """Return a job and a schedule for each cron expression of the selected items; none if schedules are switched off.

    A job has the items of one schedule and one partitions definition, so that each run materializes one partition of
    all.

    Args:
        build: The items, their partitions, and the options.

    Raises:
        StarlakeError: If the partition of a tick cannot be determined.
    """
    if not build.schedules:
        return ScheduledJobs((), ())
    options = build.pipelines
    groups = list(_groups(build))
    jobs = [_job(group, options) for group in groups]
    return ScheduledJobs(jobs, [_schedule(group, job, options) for group, job in zip(groups, jobs, strict=True)])


@dataclass
class _Group:
    """The items of one schedule."""

    name: str
    cron: str
    partitions: PartitionsDefinition[str] | None
    keys: list[AssetKey] = field(default_factory=list)


def _groups(build: AssetBuild) -> Iterator[_Group]:
    used: Counter[str] = Counter()
    found: dict[tuple[Hashable, PartitionsDefinition[str] | None], _Group] = {}
    for item in build.items:
        if item.cron is None:
            continue
        partitions = build.partitions[item.target]
        group = found.get((cron_identity(item.cron), partitions))
        if group is None:
            name = f"{build.name}_{cron_name(item.cron)}"
            used[name] += 1
            name = f"{name}_{used[name]}" if used[name] > 1 else name  # with other partitions, by the translator
            group = found[cron_identity(item.cron), partitions] = _Group(name, item.cron, partitions)
        group.keys.append(build.key(item))
    for group in found.values():
        group.keys += rejected_keys(build, group.keys)
        yield group


def cron_name(cron: str) -> str:
    """Return the name of a cron expression, such as ``daily``, ``daily_06_30`` or ``cron_0_6_x_x_1to5``.

    Args:
        cron: Five fields, or a word such as ``@daily``; valid.
    """
    usual = usual_cron(cron)
    if usual is None:
        return sanitize_id("cron_" + "_".join(cron.lower().translate(_IN_WORDS).split()))
    if usual.cycle == "hourly":
        return f"hourly_{usual.minute:02}" if usual.minute else "hourly"
    day = ""
    if usual.cycle == "weekly":
        day = f"_{_DAYS[usual.day or 0]}"
    elif usual.cycle == "monthly" and usual.day != 1:
        day = f"_{usual.day}"
    time = f"_{usual.hour:02}_{usual.minute:02}" if (usual.hour, usual.minute) != (0, 0) else ""
    return f"{usual.cycle}{day}{time}"


def _job(group: _Group, options: OrchestrationOptions) -> AssetJob:
    return define_asset_job(
        name=group.name,
        selection=AssetSelection.assets(*group.keys),
        description=f"Makes what is scheduled at {group.cron} ({options.zone}).",
        tags=dict.fromkeys(options.tag_list, ""),
    )


def _schedule(group: _Group, job: AssetJob, options: OrchestrationOptions) -> ScheduleDefinition:
    _require_keys(group)
    partitions = group.partitions
    if isinstance(partitions, TimeWindowPartitionsDefinition):
        own = cron_identity(partitions.cron_schedule) == cron_identity(group.cron)
        cron = partitions.cron_schedule if own else group.cron
        tags, made = _tags, partial(_made, group.keys)
        return schedule_of(job, partitions, cron, options, tags, made)

    def tick(_context: ScheduleEvaluationContext) -> Iterator[RunRequest]:
        yield from _requests(partitions)

    return ScheduleDefinition(
        name=f"{group.name}_schedule",
        job=job,
        execution_fn=tick,
        cron_schedule=tickable(group.cron),
        execution_timezone=options.zone,
        default_status=DefaultScheduleStatus[options.default_status.upper()],
        description=f"Starts {group.name} at {group.cron} ({options.zone}).",
    )


def _tags(key: str) -> Mapping[str, str]:
    return {_compat.PARTITION_TAG: key}


def _made(keys: Sequence[AssetKey], instance: DagsterInstance) -> frozenset[str]:
    """Return the existing partitions of all assets of a job, from all runs and backfills."""
    return frozenset.intersection(*(frozenset(_compat.materialized_partitions(instance, key)) for key in keys))


def _requests(partitions: PartitionsDefinition[str] | None) -> list[RunRequest]:
    """Return the run requests of a tick for partitions without time: one run, or one for each of a fixed set."""
    if partitions is None:
        return [RunRequest()]
    keys = partitions.get_partition_keys()
    return [RunRequest(run_key=key, partition_key=key, tags={_compat.PARTITION_TAG: key}) for key in keys]


def _require_keys(group: _Group) -> None:
    """Refuse partitions for which a tick cannot determine the keys.

    Raises:
        StarlakeError: If a tick cannot determine the keys.
    """
    if isinstance(group.partitions, (TimeWindowPartitionsDefinition, StaticPartitionsDefinition, type(None))):
        return
    key = "/".join(group.keys[0].path)
    raise StarlakeError(
        f"the schedule {group.cron!r} of {key} does not say which partitions it is for",
        cause=f"its partitions are a {type(group.partitions).__name__}, which the translator gives it",
        fix="use partitions of time or a fixed set; or leave schedules out (schedules=False) and write your own",
    )
