"""Durations of the emulated services."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds that the services take on Google's side, about; the emulator divides them by its speed.

    Args:
        create_cluster: From the request to RUNNING.
        delete_cluster: From the request until it is gone.
        update_cluster: From the request to RUNNING.
        setup_job: A Spark job from PENDING to SETUP_DONE.
        start_job: A Spark job from SETUP_DONE to RUNNING.
        start_execution: A Cloud Run execution from the request until its first task runs.
        change_job: Creating or deleting a Cloud Run job, deleting an execution.
    """

    create_cluster: float = 90.0
    delete_cluster: float = 60.0
    update_cluster: float = 60.0
    setup_job: float = 3.0
    start_job: float = 3.0
    start_execution: float = 9.0
    change_job: float = 3.0
