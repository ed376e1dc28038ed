"""The job that brings assets and checks up to date with the audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckResult,
    Failure,
    GraphDefinition,
    JobDefinition,
    Nothing,
    OpExecutionContext,
    Out,
    in_process_executor,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import _compat
from ai.starlake.dagster.facade.mirroring.free_audits import when_free
from ai.starlake.dagster.facade.mirroring.mirror_events import MirrorEvents
from ai.starlake.dagster.facade.mirroring.outside_items import OutsideItem, by_item, items_of_runs
from ai.starlake.dagster.ops import Body, Event, OpSpec, outputs

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild
    from ai.starlake.project.audit import AuditRow

_DONE = {"result": Out(Nothing)}
STATE = "state of the audit"
"""Name of the outside run in events of the synchronisation."""


def sync_job(build: FacadeBuild) -> JobDefinition:
    """Return the job that records the current state of every asset and check.

    Args:
        build: The items, and the audit.
    """
    name = build.name_of("sync")
    op = build.assets.ops.make(
        OpSpec(
            task_id=f"{name}_state",
            source="the synchronisation of a facade",
            body=SyncBody(build),
            outs=_DONE,
            description="Records the last success of each asset, its last outcome and the last results of its checks.",
            tags={"dagster/compute_kind": "starlake"},
        )
    )
    graph = GraphDefinition(name=build.assets.ops.claim(name, "the job that synchronises a facade"), node_defs=[op])
    return graph.to_job(
        description="Brings the assets and checks up to date with Starlake's audit.", executor_def=in_process_executor
    )


@dataclass(frozen=True, eq=False)
class SyncBody(Body):
    """Body of the op that records the current state.

    Args:
        build: The items, and the audit.
    """

    build: FacadeBuild

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Record the new events: the last success of each asset, then its last outcome.

        Raises:
            Failure: If the audit cannot be read.
        """
        states = state_when_free(self.build, context)
        if states.unknown:
            context.log.warning(f"the project does not have these any more: {', '.join(states.unknown)}")
        events, recorded = MirrorEvents(self.build, context.instance, context.log.warning), 0
        for of_item in states.items.values():
            for each in of_item:
                for event in events.of(each, superseded=each is not of_item[-1]):
                    recorded += 1
                    if isinstance(event, AssetCheckResult):
                        yield from _compat.external_evaluations(event, context)
                    else:
                        yield event
        missing = len(self.build.assets.items) - len(states.items)
        rest = f"; nothing is on record of {missing} more" if missing else ""
        on_record = f"{len(states.items)} table(s) and task(s) in {self.build.audit.name}"
        context.log.info(f"{recorded or 'no'} new event(s) of {on_record}{rest}")
        yield from outputs(_DONE, self.build.environment)


@dataclass(frozen=True)
class States:
    """The current state of tables and tasks.

    Args:
        items: By name, the last run; if nothing succeeded in it, also the last run before it with a success, first.
        unknown: The names of recorded ones that the project does not have.
    """

    items: Mapping[str, Sequence[OutsideItem]]
    unknown: tuple[str, ...]


def current_state(build: FacadeBuild) -> States:
    """Return the current state of all recorded tables and tasks.

    Args:
        build: The items, and the audit.

    Raises:
        StarlakeError: If the audit cannot be read.
    """
    from ai.starlake.orchestration.outside import LONGEST_LOAD, runs_of_item

    tracking = build.settings.tracking
    rows, unknown = by_item(build, build.audit.last_rows(LONGEST_LOAD))
    last = [(STATE, run) for of_item in rows.values() for run in _last(runs_of_item(of_item, tracking))]
    items: dict[str, list[OutsideItem]] = {}
    for of_run in items_of_runs(build, last):
        for each in of_run.items:
            items.setdefault(each.item.full_name, []).append(each)
    return States(items, unknown)


def state_when_free(build: FacadeBuild, context: OpExecutionContext) -> States:
    """Return the current state within a step, which waits while another process writes the audit.

    Args:
        build: The items, and the audit.
        context: The context of the step.

    Raises:
        Failure: If the audit cannot be read.
    """
    try:
        return when_free(lambda: current_state(build), context.log.info)
    except StarlakeError as error:
        raise Failure(str(error), allow_retries=False) from error


def _last(runs: Sequence[Sequence[AuditRow]]) -> list[Sequence[AuditRow]]:
    """Return the last run; if nothing succeeded in it, also the last run before it with a success, first."""
    last = runs[-1]
    good = next((run for run in reversed(runs) if any(row.success for row in run)), last)
    return [last] if good is last else [good, last]
