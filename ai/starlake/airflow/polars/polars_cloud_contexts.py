"""Compute contexts for user tasks that run queries on Polars Cloud."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.sdk import BaseOperator, get_current_context

from ai.starlake.airflow.polars.stop_contexts_operator import StopContextsOperator
from ai.starlake.airflow.task_runs.airflow_step import AirflowStep
from ai.starlake.polars.named_contexts import NamedContexts

logger = logging.getLogger("airflow.task")


class PolarsCloudContexts:
    """Compute contexts of Polars Cloud, by name; each is started for a block of code and stopped at its end.

    Nothing is started, and no login happens, when a DAG file is parsed. The service account logs in once per process,
    and a context is stopped at the end of its block, after success and failure. Airflow may kill the process of a task
    before that: the task of `stop_task` stops what was left then; `idle_timeout_mins` is the last resort.

    Args:
        profiles: Sizes by name: fields of the section `polars` of a compute profile, such as cpus and memory.
        client_id: A reference to the service account, such as ``{"variable": "POLARS_CLOUD_CLIENT_ID"}``; by default
            the environment variable POLARS_CLOUD_CLIENT_ID.
        client_secret: A reference to its secret; by default the environment variable POLARS_CLOUD_CLIENT_SECRET.

    Raises:
        StarlakeError: If a profile is invalid.
    """

    def __init__(
        self,
        profiles: Mapping[str, Mapping[str, Any]],
        client_id: Mapping[str, Any] | None = None,
        client_secret: Mapping[str, Any] | None = None,
    ) -> None:
        self._contexts = NamedContexts("PolarsCloudContexts", profiles, client_id, client_secret)
        self._contexts.all_profiles()

    @contextmanager
    def context(self, profile: str) -> Iterator[Any]:
        """Start a context for a block, and always stop it at the end of the block.

        Each block has a context of its own: concurrent blocks do not wait for each other, and none stops the context of
        another.

        Args:
            profile: Its name in `profiles`.

        Yields:
            The `polars_cloud.ComputeContext`, for `LazyFrame.remote`.

        Raises:
            StarlakeError: If there is no such profile, if the service account is refused, or if the machines do not
                start.
        """
        step = _current_step()
        how = (step.execution().root, step.info, step.mask) if step else ("outside of a run",)
        with self._contexts.context(profile, *how) as started:
            yield started

    def stop_task(self, task_id: str = "stop_contexts", **kwargs: Any) -> BaseOperator:
        """Create the task that stops what killed tasks of its run have left.

        It runs when all tasks before it have ended, however they ended, and does not change the outcome of the run.

        Args:
            task_id: Its id.
            **kwargs: Arguments of every operator.

        Returns:
            The task. Put it after the last task that uses contexts.
        """
        environments = [profile.environment() for profile in self._contexts.all_profiles()]
        arguments = {"retries": 2, **kwargs}
        made = StopContextsOperator(task_id=task_id, environments=environments, **arguments)
        made.as_teardown(on_failure_fail_dagrun=False)
        return made


def _current_step() -> AirflowStep | None:
    """Return the running task; None outside of a task."""
    try:
        return AirflowStep(get_current_context(), logger)
    except RuntimeError:
        return None
