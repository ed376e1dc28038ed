"""Views of the emulator's state: plain, immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

DeletedBy = Literal["request", "idle_ttl", "auto_ttl"]


@dataclass(frozen=True)
class ClusterView:
    """A Dataproc cluster.

    Args:
        name: Its name.
        project: Its project.
        region: Its region.
        uuid: Distinguishes it from others of the same name.
        state: Such as ``RUNNING``; ``DELETED`` when it is gone.
        labels: Its labels, those that the service adds included.
        config: The set part of its configuration, by the names of the protocol.
        created: Time of the request for its creation, in seconds since the epoch.
        deleted_by: Cause of its deletion: a request, a time to live, or None.
        detail: Message of the service about its state.
    """

    name: str
    project: str
    region: str
    uuid: str
    state: str
    labels: Mapping[str, str]
    config: Mapping[str, Any]
    created: float
    deleted_by: DeletedBy | None
    detail: str


@dataclass(frozen=True)
class SparkJobView:
    """A Dataproc job.

    Args:
        name: Its id.
        cluster: The name of its cluster.
        cluster_uuid: Distinguishes that cluster from others of the same name.
        state: Such as ``RUNNING``, ``DONE``, ``ERROR`` or ``CANCELLED``.
        exit_code: Of the process, None while it runs and when it was ended.
        argv: The command that runs, or would.
        env: Variables that its properties add to the environment.
        attempt: Number of restarts.
        cancelled: Number of cancellations that had an effect.
        labels: Its labels.
        properties: The properties of Spark.
        output: Lines that it printed.
        created: Time of its submission, in seconds since the epoch.
        detail: Message of the service about its state.
    """

    name: str
    cluster: str
    cluster_uuid: str
    state: str
    exit_code: int | None
    argv: tuple[str, ...]
    env: Mapping[str, str]
    attempt: int
    cancelled: int
    labels: Mapping[str, str]
    properties: Mapping[str, str]
    output: tuple[str, ...]
    created: float
    detail: str


@dataclass(frozen=True)
class ExecutionView:
    """An execution of a Cloud Run job.

    Args:
        name: Its full name.
        job: The full name of its job.
        state: ``PENDING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``.
        exit_code: Of the process of the first task, None while it runs and when it was ended.
        argv: The command of the first task.
        env: The variables of its container, overrides included.
        attempt: Number of restarts of its first task.
        cancelled: Number of cancellations that had an effect.
        tasks: Number of its tasks.
        succeeded: Number of tasks that succeeded.
        failed: Number of tasks that failed in the end.
        output: Lines that its tasks printed.
        created: Time of the request, in seconds since the epoch.
        detail: Message of the service about its state.
    """

    name: str
    job: str
    state: str
    exit_code: int | None
    argv: tuple[str, ...]
    env: Mapping[str, str]
    attempt: int
    cancelled: int
    tasks: int
    succeeded: int
    failed: int
    output: tuple[str, ...]
    created: float
    detail: str
