"""The interruption of steps, and the death of the process of their run."""

from __future__ import annotations

import functools
import multiprocessing
import os
import sys
from types import FrameType
from typing import TYPE_CHECKING

from dagster import DagsterExecutionInterruptedError, RetryPolicy

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from dagster import OpExecutionContext

INTERRUPTIONS = (DagsterExecutionInterruptedError, KeyboardInterrupt)
"""The exceptions that Dagster raises in a step that is interrupted."""

_STEP_PROCESS_MODULE = "dagster._core.executor.child_process_executor"
_ENDS_THE_RUN = "starlake_ends_the_run"


def run_process_sentinel() -> int | None:
    """Return a file descriptor that becomes readable when the process of the run ends.

    It is for steps in a process of their own, which Dagster's multiprocess executor does not end when it is killed
    itself. None in every other process: a run's own process may well outlive the one that launched it.
    """
    run_process = _run_process()
    return None if run_process is None else run_process.sentinel


def run_process_id() -> int:
    """Return the id of the process of the run: of the parent, in a step of the multiprocess executor; of this one."""
    run_process = _run_process()
    return os.getpid() if run_process is None or run_process.pid is None else run_process.pid


@functools.lru_cache(maxsize=1)
def _run_process() -> BaseProcess | None:
    """Return the process of the run, if this is one that it started for a step."""
    parent = multiprocessing.parent_process()
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  the stack is the only place that tells
    while parent is not None and frame is not None:
        if frame.f_globals.get("__name__") == _STEP_PROCESS_MODULE:
            return parent
        frame = frame.f_back
    return None


class UninterruptedRetryPolicy(RetryPolicy):
    """A retry policy that an interruption of the whole run overrules.

    Dagster tries an interrupted step again where it has a policy, be its run cancelled; the in-process executor then
    runs it to its end. It asks for the truth of the policy while it handles the interruption: one that
    `ends_the_run` marked goes on as if there were none, and ends the run.
    """

    def __bool__(self) -> bool:
        """Return True if the exception that is handled, if any, may be followed by a retry."""
        return not getattr(sys.exc_info()[1], _ENDS_THE_RUN, False)


def ends_the_run(interruption: BaseException) -> None:
    """Mark an interruption as one of the whole run; see `UninterruptedRetryPolicy`."""
    setattr(interruption, _ENDS_THE_RUN, True)


def retry_policy_of(context: OpExecutionContext) -> RetryPolicy | None:
    """Return the retry policy of a step: that of its op, of the op within its graph, or of the job."""
    policy: RetryPolicy | None = context.get_step_execution_context().op_retry_policy
    return policy
