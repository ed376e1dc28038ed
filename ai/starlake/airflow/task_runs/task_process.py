"""The process of a task, and those of its commands."""

from __future__ import annotations

from functools import partial

from ai.starlake.airflow import _airflow_compat
from ai.starlake.executor.process.supervision import Runner, run_process

GRACE = 2.0
"""Seconds that a command has between SIGTERM and SIGKILL: Airflow gives the task five to end."""

run_task_process: Runner = partial(run_process, grace=GRACE)
"""Runs a process like `run_process`, and ends it in the time that Airflow gives a task."""


def supervisor_death_fd() -> int | None:
    """Return a file descriptor that becomes readable when the supervisor of this task has ended.

    The result of the command would be lost then, and Airflow starts the task again elsewhere, in parallel. None if the
    task has no supervisor in another process, as in `dag.test()`.
    """
    return _airflow_compat.supervisor_socket()
