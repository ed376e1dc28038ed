"""All that this project uses of Dagster beyond its public interface.

Nothing else may import a private module of Dagster. Each use is pinned by a test in
`tests/dagster/test_characterization.py`, which runs on both ends of the supported range.
"""

from __future__ import annotations

import functools
import multiprocessing
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

from dagster import DagsterEventType, DagsterExecutionInterruptedError, EventRecordsFilter, RetryPolicy, _check
from dagster._core.definitions.composition import MappedInputPlaceholder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from dagster import (
        DagsterInstance,
        DagsterRun,
        EventLogRecord,
        JobDefinition,
        OpExecutionContext,
        TimeWindow,
        TimeWindowPartitionsDefinition,
    )


INTERRUPTIONS = (DagsterExecutionInterruptedError, KeyboardInterrupt)
"""The exceptions that Dagster raises in a step that is interrupted."""

MAPPED_INPUT = MappedInputPlaceholder
"""Stands for an input of a graph among the sources of an input that has several; see `InputMapping.fan_in_index`."""

CheckError = _check.CheckError
"""The exceptions that Dagster raises for mistakes of its own."""

PARTITION_TAG = "dagster/partition"
SCHEDULED_TIME_TAG = ".dagster/scheduled_execution_time"
SCHEDULE_TAG = "dagster/schedule_name"

_PARENT_RUN_TAG = "dagster/parent_run_id"
_ROOT_RUN_TAG = "dagster/root_run_id"
_WILL_RETRY_TAG = "dagster/will_retry"
_STEP_PROCESS_MODULE = "dagster._core.executor.child_process_executor"


@functools.lru_cache(maxsize=1)
def run_process_sentinel() -> int | None:
    """A file descriptor that becomes readable when the process of the run ends, for steps in a process of their own.

    Dagster's multiprocess executor does not end the processes of its steps when it is killed itself. None in every
    other process: a run's own process may well outlive the one that launched it.
    """
    parent = multiprocessing.parent_process()
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  the stack is the only place that tells
    while parent is not None and frame is not None:
        if frame.f_globals.get("__name__") == _STEP_PROCESS_MODULE:
            return parent.sentinel
        frame = frame.f_back
    return None


def op_configs(context: OpExecutionContext) -> Mapping[str, Any]:
    """The configuration of every op of the run, by its path such as ``graph.op``; the values have it as `config`.

    Unlike the configuration that a run is launched with, it holds what the job is defined with (``config=``), and what
    the configuration mappings of graphs make of theirs.
    """
    configs: Mapping[str, Any] = context.get_step_execution_context().resolved_run_config.ops
    return configs


def step_key_of(context: OpExecutionContext) -> str:
    """Return the key of the step that a context is of, which the path of its op in the job is."""
    key: str = context.get_step_execution_context().step.key
    return key


def op_name_of(context: OpExecutionContext) -> str:
    """Return the name that an op has in its graph, which may be an alias."""
    return context.op_handle.name


def parent_run_of(run: DagsterRun) -> str | None:
    """The id of the run that a run continues.

    The UI and the daemon tag a re-execution with it; `execute_job` only notes it in the run.
    """
    return run.parent_run_id or run.tags.get(_PARENT_RUN_TAG)


def root_run_of(run: DagsterRun) -> str | None:
    """The id of the first of the runs that a run continues."""
    return run.root_run_id or run.tags.get(_ROOT_RUN_TAG)


def code_location_of(run: DagsterRun) -> str:
    """The name of the code location that a run was launched from; empty where it was launched from Python."""
    origin = run.remote_job_origin
    return origin.location_name if origin else ""


def will_be_retried(run: DagsterRun) -> bool:
    """Whether Dagster's daemon is about to launch a run that continues one that failed."""
    return run.tags.get(_WILL_RETRY_TAG) == "true"


class UninterruptedRetryPolicy(RetryPolicy):
    """A retry policy that an interruption of the whole run overrules.

    Dagster tries an interrupted step again where it has a policy, be its run cancelled; the in-process executor then
    runs it to its end. It asks for the truth of the policy while it handles the interruption: one that
    `ends_the_run` marked goes on as if there were none, and ends the run.
    """

    def __bool__(self) -> bool:
        """Return True if the exception that is handled, if any, may be followed by a retry."""
        return not getattr(sys.exc_info()[1], _ENDS_THE_RUN, False)


_ENDS_THE_RUN = "starlake_ends_the_run"


def ends_the_run(interruption: BaseException) -> None:
    """Marks an interruption as one of the whole run; see `UninterruptedRetryPolicy`."""
    setattr(interruption, _ENDS_THE_RUN, True)


def retry_policy_of(context: OpExecutionContext) -> RetryPolicy | None:
    """The retry policy of a step: that of its op, of the op within its graph, or of the job."""
    policy: RetryPolicy | None = context.get_step_execution_context().op_retry_policy
    return policy


def windows_from(partitions: TimeWindowPartitionsDefinition, begin: datetime) -> Iterable[TimeWindow]:
    """Yield the windows of partitions that begin at a timestamp or later, without end."""
    windows: Iterable[TimeWindow] = partitions._iterate_time_windows(begin.timestamp())  # noqa: SLF001
    return windows


def materializations_after(
    instance: DagsterInstance, storage_id: int, recorded_after: datetime, limit: int
) -> Sequence[EventLogRecord]:
    """Return the materializations of all assets that were recorded after one, oldest first.

    Dagster's public interface offers them for one asset at a time only.
    """
    events = EventRecordsFilter(
        event_type=DagsterEventType.ASSET_MATERIALIZATION,
        after_cursor=storage_id,
        after_timestamp=recorded_after.timestamp(),
    )
    return instance.event_log_storage.get_event_records(events, limit=limit, ascending=True)


def whole_job(job: JobDefinition) -> JobDefinition:
    """Return the job that a selection of ops was made of, or the job itself."""
    selection = job.op_selection_data
    return whole_job(selection.parent_job_def) if selection else job
