"""Starlake commands as Spark jobs of Dataproc, run by Airflow tasks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from ai.starlake.airflow.airflow_job import StarlakeAirflowJob
from ai.starlake.common import sanitize_id
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.job import JobOptions, StarlakePreLoadStrategy
from ai.starlake.orchestration.command_runs.executor_factories import dataproc_executor

if TYPE_CHECKING:
    from airflow.sdk import Asset, BaseOperator

    from ai.starlake.executor.remote.remote_executor import RemoteExecutor
    from ai.starlake.gcp import StarlakeDataprocClusterConfig
    from ai.starlake.gcp.dataproc.backend import DataprocExecutor


class StarlakeAirflowDataprocJob(StarlakeAirflowJob[DataprocOptions]):
    """Creates tasks that run each Starlake command as a Spark job, on a Dataproc cluster of the DAG run.

    The task of `pre_tasks` creates the cluster and that of `post_tasks` deletes it, whatever the outcome of the tasks
    between them; a command that finds none creates it too, so that a task can be cleared by itself. The name of the
    cluster is that of its DAG run. Google deletes the cluster of a killed worker, by the age limits of the cluster.

    Args:
        filename: The file of the caller; generated DAG files pass it.
        module_name: The module of the caller, whose hooks `get_spark_config` and `get_dataproc_master_config`,
            `get_dataproc_worker_config` and `get_dataproc_secondary_worker_config` are used; generated DAG files pass
            it.
        pre_load_strategy: The pre-load strategy; by default the option of that name.
        options: The options, as docs/airflow.md lists them.
        cluster_config: Configuration of the cluster; by default that of the options and the calling module.
        outlets: Initial assets of `outlets`.
        **kwargs: Further options, which take precedence over `options`.

    Raises:
        StarlakeError: If an option is missing, or has an invalid value.
        MissingExtraError: If google-cloud-dataproc is not installed where a command runs.
    """

    options_model: ClassVar[type[JobOptions]] = DataprocOptions

    def __init__(
        self,
        filename: str | None = None,
        module_name: str | None = None,
        pre_load_strategy: StarlakePreLoadStrategy | str | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        cluster_config: StarlakeDataprocClusterConfig | None = None,
        outlets: Iterable[Asset] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(filename, module_name, pre_load_strategy, options, outlets=outlets, **kwargs)
        self._given_cluster_config = cluster_config

    def make_executor(self) -> DataprocExecutor:
        """Return the executor."""
        return dataproc_executor(self.settings, self.cluster_config)

    @cached_property
    def cluster_config(self) -> StarlakeDataprocClusterConfig:
        """Machines and software of the cluster.

        Created in the process of a task, when the calling module has all its hooks: configuring a cluster needs
        Google's packages, which take longer to import than a DAG file takes to parse.

        Raises:
            StarlakeError: If the configuration is invalid.
        """
        from ai.starlake.gcp import StarlakeDataprocClusterConfig

        made = self._given_cluster_config or StarlakeDataprocClusterConfig.from_module(
            self.filename or "", self.module_name or "", self.settings
        )
        for profile in self.settings.compute.values():
            made.sized(profile.dataproc)
        return made

    def pre_tasks(self, **kwargs: Any) -> BaseOperator:
        """Create the task that creates the cluster of the run.

        Args:
            **kwargs: Arguments of `BaseOperator`; and `task_id`, ``create_{cluster_id}_cluster`` by default.

        Returns:
            The operator, in the DAG whose ``with`` statement is open.

        Raises:
            StarlakeError: If an argument is unknown, or a duration is invalid.
        """
        made = self._cluster_task("create", deletes=False, **kwargs)
        self._setups[made.dag_id] = made.as_setup()
        return made

    def post_tasks(self, **kwargs: Any) -> BaseOperator:
        """Create the task that deletes the cluster of the run, as the teardown of its creation.

        It runs when all tasks after the creation have ended, whether they failed or not, and does not turn a failed run
        into a success.

        Args:
            **kwargs: Arguments of `BaseOperator`; and `task_id`, ``delete_{cluster_id}_cluster`` by default.

        Returns:
            The operator, in the DAG whose ``with`` statement is open.

        Raises:
            StarlakeError: If an argument is unknown, or a duration is invalid.
        """
        made = self._cluster_task("delete", deletes=True, **kwargs)
        setup = self._setups.get(made.dag_id)
        made.as_teardown(setups=[setup] if setup is not None else [])
        return made

    @cached_property
    def _setups(self) -> dict[str, BaseOperator]:
        """Creation tasks of clusters, by the id of their DAG."""
        return {}

    @property
    def _cluster_id(self) -> str:
        if self._given_cluster_config is not None:
            return self._given_cluster_config.settings.cluster_id or ""
        own = getattr(sys.modules.get(self.module_name or ""), "cluster_id", None) or self.settings.cluster_id
        return str(own or self.settings.cluster_config_name or PurePath(self.filename or "").stem.lower())

    def _cluster_task(self, verb: str, *, deletes: bool, task_id: str | None = None, **kwargs: Any) -> BaseOperator:
        from ai.starlake.airflow.operators.infrastructure_operator import StarlakeInfrastructureOperator

        cluster = self._cluster_id and sanitize_id(self._cluster_id)
        name = task_id or "_".join(part for part in (verb, cluster, "cluster") if part)
        return StarlakeInfrastructureOperator(
            task_id=name,
            runner=self.runner,
            maker=self._infrastructure_owner,
            noun="cluster",
            deletes=deletes,
            **self._of_ordering(name, kwargs),
        )

    @cached_property
    def _executor(self) -> DataprocExecutor:
        return self.make_executor()

    def _infrastructure_owner(self) -> RemoteExecutor:
        return self._executor
