"""Decision of the first task of a data-triggered DAG: whether its run continues, and for which dates.

Airflow starts a run when assets are updated, and does not keep the triggering events. Starlake's options require more:
a data cycle for which all datasets have to be updated (`data_cycle_enabled`, `data_cycle`), datasets that are fresh
enough or slower than the cycle (`beyond_data_cycle_enabled`, `optional_dataset_enabled`), and a minimum time between
two runs (`min_timedelta_between_runs`). The first task of the run evaluates them, from the triggering events and from
the state that the first task of the previous run has kept as an XCom: it uses Airflow's context only.

- If something is still missing, the run is skipped, and what it has seen is kept for the next one.
- If the last run was launched too short a time ago, the task waits, without taking a slot of a worker.
- If the last run was launched after all of the events, and for their interval, there is nothing left to do.

The scheduled date of an event is the tick that ends an interval (see `dates_of_task`), so an update belongs to the
interval, or the data cycle, that ends at its date; and the logical date of the run is the end of its interval.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ai.starlake.airflow.task_runs.triggering_events import updates_of
from ai.starlake.common import zone_of
from ai.starlake.orchestration.freshness.decision import Start, Update, Wait, decide
from ai.starlake.orchestration.freshness.memory import Memory
from ai.starlake.orchestration.freshness.policy import Policy, TriggerDataset, policy_of
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

MEMORY = "sl_freshness"
"""Key of the XCom with the state of the first task."""

_LAST_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Skip:
    """The run is skipped.

    Args:
        reason: The reason.
        kept: The state for the next run.
    """

    reason: str
    kept: str


@dataclass(frozen=True)
class NotBefore:
    """The run continues later.

    Args:
        at: The time.
    """

    at: datetime


@dataclass(frozen=True)
class GoOn:
    """The run continues.

    Args:
        start: The run to start.
        left_out: Earlier intervals that have updates and get no run.
        kept: The state for the next run.
    """

    start: Start
    left_out: tuple[datetime, ...]
    kept: str


@dataclass(frozen=True)
class StartDecision:
    """Decides whether a data-triggered run continues.

    Args:
        datasets: The datasets that the pipeline waits for.
        options: The options of the pipeline.
    """

    datasets: tuple[TriggerDataset, ...]
    options: OrchestrationOptions

    def decide(self, context: Mapping[str, Any], kept: str | None, now: datetime) -> Skip | NotBefore | GoOn | None:
        """Decide once.

        Args:
            context: The context of the first task.
            kept: The state of the previous run's first task.
            now: The current time.

        Returns:
            None for a manual run.
        """
        zone = zone_of(self.options.zone)
        # a run is for one interval, the newest: Airflow has started it already
        policy = replace(policy_of(self.datasets, self.options), every_interval=False)
        new = _within(policy, updates_of(context, [dataset.name for dataset in self.datasets], zone))
        if not new:
            return None
        memory, latest = _read(kept)
        known = {name: _merged(latest.get(name), new.get(name, ())) for name in {**latest, **new}}
        last = {name: updates[-1] for name, updates in known.items()}
        if memory.launched and _is_covered(policy, memory, new):
            return Skip(f"the run of {memory.launched:%Y-%m-%d %H:%M:%S %Z} had all of it", _written(memory, last))
        decision = decide(replace(policy, min_between_runs=0), memory, known, now)
        if isinstance(decision.outcome, Wait):
            return Skip(decision.outcome.reason, _written(decision.memory, last))
        earliest = memory.launched + timedelta(seconds=policy.min_between_runs) if memory.launched else now
        if now < earliest:
            return NotBefore(earliest)
        start = decision.outcome[-1]
        if policy.every is not None:
            start = replace(start, logical=start.interval.end)
        return GoOn(start, decision.left_out, _written(decision.memory, last))


def _within(policy: Policy, updates: Mapping[str, list[Update]]) -> dict[str, list[Update]]:
    """Return updates with a date within the interval that ends at theirs, which `decide` identifies by its start."""
    back = timedelta() if policy.every is None else _LAST_SECOND
    return {name: [replace(each, logical=each.logical - back) for each in found] for name, found in updates.items()}


def _merged(last: Update | None, new: Sequence[Update]) -> list[Update]:
    """Return updates in the order of their ids, after the last known one."""
    return [*([last] if last else []), *(each for each in new if last is None or each.storage_id > last.storage_id)]


def _is_covered(policy: Policy, memory: Memory, new: Mapping[str, Sequence[Update]]) -> bool:
    """Return True if the last run was launched after all events, and runs for their intervals were started."""
    updates = [update for found in new.values() for update in found]
    if memory.launched is None or any(update.at > memory.launched for update in updates):
        return False
    every = policy.every
    return every is None or all(
        policy.windows.window_of(every, policy.zone, update.logical).start in memory.started for update in updates
    )


def _read(kept: str | None) -> tuple[Memory, dict[str, Update]]:
    found = json.loads(kept) if kept else {}
    latest = {
        name: Update(int(number), datetime.fromisoformat(at), datetime.fromisoformat(logical))
        for name, (number, at, logical) in found.get("latest", {}).items()
    }
    return Memory.read(found.get("memory")), latest


def _written(memory: Memory, latest: Mapping[str, Update]) -> str:
    updates = {
        name: [each.storage_id, each.at.isoformat(), each.logical.isoformat()] for name, each in sorted(latest.items())
    }
    return json.dumps({"memory": memory.written(), "latest": updates})
