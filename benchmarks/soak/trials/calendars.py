"""Schedules and partitions on the days on which clocks change, and around the ends of February."""

from __future__ import annotations

import itertools
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from dagster import DagsterInstance, Definitions, TimeWindowPartitionsDefinition, build_schedule_context
from dagster._utils.schedules import cron_string_iterator

from benchmarks.project import make_project
from benchmarks.soak.trial import DOUBLED, GREEN, LOST, RED, Bench, Tally, Trial

_ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Santiago",  # summer time begins at midnight
    "Africa/Cairo",  # the same, on a Friday
    "America/Havana",
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Chatham",  # 45 minutes off
    "Asia/Kolkata",
)
_CRONS = {
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "night": "30 2 * * *",
    "weekly": "0 0 * * 0",
    "workdays": "0 6 * * 1-5",
    "last": "0 0 L * *",
    "leap": "0 0 29 2 *",
}
_YEARS = (2024, 2025)
_SPAN = 3
"""Days before and after."""
_UTC = timezone.utc
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class _Case:
    """A cron expression around a day in a time zone."""

    zone: str
    day: date
    name: str

    @property
    def cron(self) -> str:
        return _CRONS[self.name]

    @property
    def days(self) -> tuple[int, int]:
        """Number of days before and after that are watched: as many as contain a tick for certain."""
        return {"weekly": (9, 9), "last": (33, 33), "leap": (1500, 1500)}.get(self.name, (_SPAN, _SPAN))

    def __str__(self) -> str:
        return f"{self.cron!r} in {self.zone} around {self.day}"


def _run(bench: Bench) -> None:
    cases = list(_cases())
    wanted = min(bench.attempts, len(cases))
    chosen = iter([cases[number * len(cases) // wanted] for number in range(wanted)])
    calls = bench.folder / "calls"
    starlake = _starlake(bench.folder, calls)
    project = _project(bench.folder / "project")
    with DagsterInstance.ephemeral() as instance, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in bench.numbers():
            case = next(chosen, None)
            if case is None:
                bench.tally.tried -= 1
                return
            made = _definitions(project, case, starlake)
            requests = _ticks(made, case, bench.tally)
            _runs(made, case, requests, instance, calls, bench.tally)


def _cases() -> Iterator[_Case]:
    for zone, name in itertools.product(_ZONES, _CRONS):
        for day in sorted({*_changes(zone), date(2024, 2, 29), date(2025, 2, 28)}):
            unknown = (zone, name) == ("Australia/Lord_Howe", "hourly")  # Dagster does not agree with itself
            if not unknown and (name != "leap" or day == date(2024, 2, 29)):
                yield _Case(zone, day, name)


def _changes(zone: str) -> set[date]:
    """Return the days on which the clocks of a time zone change."""
    local = ZoneInfo(zone)
    hours = (datetime(_YEARS[0], 1, 1, tzinfo=_UTC) + timedelta(hours=hour) for hour in range(24 * 366 * len(_YEARS)))
    offsets = ((hour, hour.astimezone(local).utcoffset()) for hour in hours)
    return {after.astimezone(local).date() for (_, was), (after, now) in itertools.pairwise(offsets) if was != now}


def _starlake(folder: Path, calls: Path) -> Path:
    """Return the script in place of Starlake: it writes its arguments to a file."""
    starlake = folder / "starlake"
    starlake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {calls}\n', encoding="utf-8")
    starlake.chmod(0o755)
    return starlake


def _project(root: Path) -> Path:
    make_project(root, {"shop": []})
    tasks = root / "metadata" / "transform" / "kpi"
    tasks.mkdir(parents=True)
    for name, cron in _CRONS.items():
        (tasks / f"{name}.sql").write_text("SELECT 1 AS id", encoding="utf-8")
        (tasks / f"{name}.sl.yml").write_text(f"version: 1\ntask: {{schedule: '{cron}'}}\n", encoding="utf-8")
    return root


def _definitions(root: Path, case: _Case, starlake: Path) -> Definitions:
    from ai.starlake.dagster import build_starlake_definitions
    from ai.starlake.dagster.shell import StarlakeDagsterShellJob

    first = {"leap": 1600, "last": 40, "weekly": 10}.get(case.name, 5)  # an interval is over before the first tick
    start = case.day - timedelta(days=case.days[0] + first)
    options = {"SL_STARLAKE_PATH": str(starlake), "duckdb_lock": "off", "timezone": case.zone, "start_date": str(start)}
    job = StarlakeDagsterShellJob(options=options)
    return build_starlake_definitions(root, job, select=f"kpi.{case.name}", sensors=False)


def _ticks(made: Definitions, case: _Case, tally: Tally) -> list[tuple[datetime, str]]:
    """Ticks as Dagster's daemon does; checks times and partitions, and returns both."""
    (schedule,) = made.schedules
    local, (before, after) = ZoneInfo(case.zone), case.days
    first = datetime.combine(case.day - timedelta(days=before), datetime.min.time(), local)
    last = datetime.combine(case.day + timedelta(days=after), datetime.min.time(), local)
    times = itertools.takewhile(
        lambda time: time.timestamp() < last.timestamp(),
        cron_string_iterator(first.timestamp(), str(schedule.cron_schedule), case.zone),
    )
    found = []
    for time in times:
        with build_schedule_context(scheduled_execution_time=time) as context:
            requests = schedule.evaluate_tick(context).run_requests or []
        tally.add("ticks")
        tally.require(requests, LOST, f"{case}: the tick at {time} asks for nothing")
        found += [(time, str(request.partition_key)) for request in requests]
    _compare(case, [time for time, _ in found], first, last, tally)
    twice = [key for key, number in Counter(key for _, key in found).items() if number > 1]
    tally.require(not twice, DOUBLED, f"{case}: {twice} are asked for twice")
    return found


def _compare(case: _Case, times: list[datetime], first: datetime, last: datetime, tally: Tally) -> None:
    """Compare the times of ticks with the calendar, which is asked without Dagster."""
    if case.name == "hourly":
        expected = Counter(range(int(last.timestamp() - first.timestamp()) // 3600))
        seen = Counter(int(time.timestamp() - first.timestamp()) // 3600 for time in times)
    else:
        local = ZoneInfo(case.zone)
        expected = Counter(day.toordinal() for day in _days(first, last) if _is_due(case.name, day))
        seen = Counter(time.astimezone(local).date().toordinal() for time in times)
    for kind, difference in ((LOST, expected - seen), (DOUBLED, seen - expected)):
        for which, number in difference.items():
            when = f"hour {which}" if case.name == "hourly" else date.fromordinal(which)
            tally.defect(kind, f"{case}: the tick of {when}", number)


def _days(first: datetime, last: datetime) -> list[date]:
    """Return the days that a calendar on the wall has: one may be missing."""
    times = (
        datetime.fromtimestamp(second, first.tzinfo)
        for second in range(int(first.timestamp()), int(last.timestamp()), 3600)
    )
    return sorted({time.date() for time in times})


def _is_due(name: str, day: date) -> bool:
    due = {
        "weekly": day.isoweekday() == 7,
        "workdays": day.isoweekday() < 6,
        "last": (day + timedelta(days=1)).day == 1,
        "leap": (day.month, day.day) == (2, 29),
    }
    return due.get(name, True)


def _runs(
    made: Definitions,
    case: _Case,
    found: list[tuple[datetime, str]],
    instance: DagsterInstance,
    calls: Path,
    tally: Tally,
) -> None:
    """Run the partitions of the days at stake, and read which dates the command gets."""
    (job,) = made.jobs
    repository = made.get_repository_def()
    partitions = repository.get_job(job.name).partitions_def
    assert isinstance(partitions, TimeWindowPartitionsDefinition)
    for (before, _), (tick, key) in itertools.pairwise(found):
        local = tick.astimezone(ZoneInfo(case.zone))
        far = abs((local.date() - case.day).days) > 1 or (case.name == "hourly" and local.hour > 3)
        if (far and case.name not in ("last", "leap", "weekly")) or tick > datetime.now(_UTC):
            continue
        calls.unlink(missing_ok=True)
        result = repository.get_job(job.name).execute_in_process(
            partition_key=key, instance=instance, raise_on_error=False, run_config=_QUIET
        )
        tally.add("runs")
        tally.require(result.success, RED, f"{case}: the run for {key} fails")
        told, wanted = _Told.read(calls), _Told.of(before, before, tick)
        tally.require(told == wanted or not result.success, GREEN, f"{case}: the run for {key}: {told}, not {wanted}")


@dataclass(frozen=True)
class _Told:
    """The dates that the command got."""

    date: datetime
    start: datetime
    end: datetime

    @classmethod
    def read(cls, calls: Path) -> _Told | None:
        """Return those of the last call."""
        text = calls.read_text("utf-8") if calls.exists() else ""
        found = re.search(r"--scheduledDate (\S+) .*sl_data_interval_start=([^,]+),sl_data_interval_end=(\S+)", text)
        return cls.of(*(datetime.strptime(time, "%Y-%m-%dT%H:%M:%S%z") for time in found.groups())) if found else None

    @classmethod
    def of(cls, date: datetime, start: datetime, end: datetime) -> _Told:
        """Return dates in UTC: a midnight that does not exist is equal to no other time."""
        return cls(*(time.astimezone(_UTC) for time in (date, start, end)))

    def __str__(self) -> str:
        return f"{self.date:%Y-%m-%d %H:%M}, {self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


TRIAL = Trial(
    title="Changes of clocks, and leap days",
    text="""\
Schedules of assets in nine time zones, ticked as Dagster's scheduler ticks them, around each change of clocks in two
years and the ends of February. An attempt is a cron expression around such a day. Its ticks are compared with the
calendar; the partitions at stake are run, and the dates that the command gets are compared with the ticks. A wrong date
is a false green.

Left out, because Dagster itself is at a loss there: hourly schedules on Lord Howe Island, whose clocks change by half
an hour, and 30 December 2011, which Samoa did not have.""",
    attempts=180,
    few=6,
    seconds=70,
    run=_run,
)
