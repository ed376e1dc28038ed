"""The job that mirrors an outside run: a step for each table or task, with its outcome."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckResult,
    DependencyDefinition,
    DynamicOut,
    DynamicOutput,
    Failure,
    GraphDefinition,
    In,
    JobDefinition,
    MetadataValue,
    NodeInvocation,
    Nothing,
    OpExecutionContext,
    Out,
    in_process_executor,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.steps.asset_steps import name_of_key
from ai.starlake.dagster.assets.steps.step_progress import FAILED
from ai.starlake.dagster.facade.mirroring.free_audits import when_free
from ai.starlake.dagster.facade.mirroring.mirror_events import MirrorEvents
from ai.starlake.dagster.facade.mirroring.outside_items import OutsideItem, OutsideItems, outside_items
from ai.starlake.dagster.facade.mirroring.outside_metadata import message_of
from ai.starlake.dagster.facade.mirroring.outside_references import CONFIG, OutsideReference
from ai.starlake.dagster.ops import Body, Event, OpSpec, outputs

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild

READ_STEP = "read_audit"
OUTCOME_STEP = "outcome"
"""The steps of a run are named ``outcome[shop__orders]`` and so on."""
ROWS_GONE = "rows_that_are_gone"

_RESULT = "result"
_DONE = {_RESULT: Out(Nothing)}
_MOST_RUNS = 4
RETRIES = {
    "dagster/max_retries": "3",
    "dagster/retry_strategy": "ALL_STEPS",
    "dagster/retry_on_asset_or_op_failure": "false",
}
"""Tags of runs that Dagster launches again if they are killed, if run retries are enabled; not if a table or task
failed outside, which mirroring it again does not change. All steps run again: recorded outcomes are not recorded
twice."""


def mirror_job(build: FacadeBuild) -> JobDefinition:
    """Return the job that mirrors an outside run. It has two ops, however many assets there are.

    Args:
        build: The items, and the audit.
    """
    name = build.name_of("mirror")
    runs = OutsideRuns(build)
    tags = {"dagster/compute_kind": "starlake"}
    read = build.assets.ops.make(
        OpSpec(
            task_id=f"{name}_read",
            source="the mirror of a facade",
            body=ReadBody(runs),
            outs={_RESULT: DynamicOut(Nothing)},
            description="Reads from Starlake's audit what a run outside did.",
            tags=tags,
            config_schema=CONFIG,
        )
    )
    outcome = build.assets.ops.make(
        OpSpec(
            task_id=f"{name}_outcome",
            source="the mirror of a facade",
            body=OutcomeBody(runs),
            ins={"read": In(Nothing)},
            outs=_DONE,
            description="Has the outcome of one table or task of a run outside.",
            tags=tags,
        )
    )
    graph = GraphDefinition(
        name=build.assets.ops.claim(name, "the job that mirrors runs outside"),
        node_defs=[read, outcome],
        dependencies={
            NodeInvocation(read.name, alias=READ_STEP): {},
            NodeInvocation(outcome.name, alias=OUTCOME_STEP): {"read": DependencyDefinition(READ_STEP)},
        },
    )
    return graph.to_job(
        description="Mirrors a run of Starlake that was started outside of Dagster.",
        executor_def=in_process_executor,
        tags=RETRIES,
    )


@dataclass(frozen=True)
class ReadRun:
    """An outside run from the audit.

    Args:
        reference: Its reference in the configuration.
        items: Its tables and tasks, by the mapping keys of their steps.
        unknown: The names of those that the project does not have.
        gone: Number of its rows that are no longer in the audit.
    """

    reference: OutsideReference
    items: Mapping[str, OutsideItem]
    unknown: tuple[str, ...]
    gone: int


@dataclass(frozen=True, eq=False)
class OutsideRuns:
    """Reads outside runs, each once for all steps of a process.

    Args:
        build: The items, and the audit.
    """

    build: FacadeBuild
    _read: OrderedDict[str, ReadRun] = field(default_factory=OrderedDict)

    def of(self, context: OpExecutionContext) -> ReadRun:
        """Return the outside run that a Dagster run mirrors.

        Raises:
            Failure: If the audit cannot be read, or contains none of its rows.
        """
        if context.run_id not in self._read:
            reference = OutsideReference.of_config(_compat.op_configs(context)[READ_STEP].config)
            try:
                gone, found = when_free(lambda: self._outcomes(reference), context.log.info)
            except StarlakeError as error:
                raise Failure(str(error), allow_retries=False) from error
            items = {name_of_key(self.build.assets.key(each.item)): each for each in found.items}
            self._read[context.run_id] = ReadRun(reference, items, found.unknown, gone)
            while len(self._read) > _MOST_RUNS:
                self._read.popitem(last=False)
        return self._read[context.run_id]

    def _outcomes(self, reference: OutsideReference) -> tuple[int, OutsideItems]:
        rows, gone = reference.read(self.build.audit)
        return gone, outside_items(self.build, rows, reference.name)


@dataclass(frozen=True, eq=False)
class ReadBody(Body):
    """Body of the op that reads an outside run, and yields its tables and tasks.

    Args:
        runs: Reads outside runs.
    """

    runs: OutsideRuns

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Yield an output for each table and task."""
        run = self.runs.of(context)
        reference = run.reference
        context.log.info(f"{reference.name}: {len(reference.rows)} row(s) of {self.runs.build.audit.name}")
        if run.unknown:
            context.log.warning(f"the project does not have these any more: {', '.join(run.unknown)}")
        for key in (*run.items, *([ROWS_GONE] if run.gone else [])):
            yield DynamicOutput(None, mapping_key=key)


@dataclass(frozen=True, eq=False)
class OutcomeBody(Body):
    """Body of the op with the outcome of one table or task.

    Args:
        runs: Reads outside runs.
    """

    runs: OutsideRuns

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Yield the events of the table or task.

        Raises:
            Failure: If it failed outside.
        """
        run, build = self.runs.of(context), self.runs.build
        key = context.get_mapping_key() or ""
        if key == ROWS_GONE:
            raise Failure(str(run.reference.gone(run.gone, build.audit)), allow_retries=False)
        each = run.items[key]
        events = MirrorEvents(build, context.instance, context.log.warning)
        recorded = 0
        for event in events.of(each):
            recorded += 1
            if isinstance(event, AssetCheckResult):
                yield from _compat.external_evaluations(event, context)
            else:
                yield event
        if not recorded:
            context.log.info(f"{each.item.full_name}: its outcome is on record already")
        if each.error is not None:
            message = message_of(each)
            named = {FAILED: MetadataValue.json({each.item.full_name: message})}  # for `on_table_failed`
            raise Failure(message, metadata={**events.metadata(each), **named}, allow_retries=False)
        yield from outputs(_DONE, key)
