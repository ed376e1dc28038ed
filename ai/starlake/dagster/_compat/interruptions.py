"""Interruption of steps, and death of the process of their run."""

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
"""Exceptions that Dagster raises in an interrupted step."""

_STEP_PROCESS_MODULE = "dagster._core.executor.child_process_executor"
_ENDS_THE_RUN = "starlake_ends_the_run"


def run_process_sentinel() -> int | None:
    """Return a file descriptor that becomes readable when the process of the run ends.

    For steps in a process of their own, which Dagster's multiprocess executor does not end when it is killed itself.
    None in every other process: the process of a run may outlive the one that launched it.
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
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  only the stack contains it
    while parent is not None and frame is not None:
        if frame.f_globals.get("__name__") == _STEP_PROCESS_MODULE:
            return parent
        frame = frame.f_back
    return None


class UninterruptedRetryPolicy(RetryPolicy):
    """A retry policy that does not apply when the whole run is interrupted.

    Dagster retries an interrupted step with a retry policy even if its run is cancelled; the in-process executor then
    runs it to its end. It evaluates the truth value of the policy while it handles the interruption: if `ends_the_run`
    marked it, Dagster behaves as if there were no policy, and ends the run.
    """

    def __bool__(self) -> bool:
        """Return True unless the exception being handled ends the whole run."""
        return not getattr(sys.exc_info()[1], _ENDS_THE_RUN, False)


def ends_the_run(interruption: BaseException) -> None:
    """Mark an interruption as one of the whole run; see `UninterruptedRetryPolicy`."""
    setattr(interruption, _ENDS_THE_RUN, True)


def retry_policy_of(context: OpExecutionContext) -> RetryPolicy | None:
    """Return the retry policy of a step: that of its op, of the op within its graph, or of the job."""
    policy: RetryPolicy | None = context.get_step_execution_context().op_retry_policy
    return policy
