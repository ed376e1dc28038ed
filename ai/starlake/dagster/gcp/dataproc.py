"""Starlake commands as Spark jobs of Dataproc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dagster import OpDefinition

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.remote import StarlakeDagsterRemoteJob, with_start
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.job import JobOptions, StarlakePreLoadStrategy
from ai.starlake.orchestration.command_runs.executor_factories import dataproc_executor

if TYPE_CHECKING:
    from dagster_gcp import DataprocResource

    from ai.starlake.gcp import StarlakeDataprocClusterConfig
    from ai.starlake.gcp.dataproc.backend import DataprocExecutor


class StarlakeDagsterDataprocJob(StarlakeDagsterRemoteJob[DataprocOptions]):
    """Creates ops that run each Starlake command as a Spark job, on a Dataproc cluster of the run.

    The op of `pre_tasks` creates the cluster and that of `post_tasks` deletes it; a command that finds none creates it
    too, so that a run can be re-executed from failure. The cluster of an interrupted or failed run is deleted by the
    interrupted step, by the sensors of `sensors`, or finally by Google, by the age limits of the cluster.

    Args:
        pre_load_strategy: The pre-load strategy; by default the option of that name.
        options: The options of the job.
        cluster_config: Configuration of the cluster; by default that of the options and the calling module.
        filename: The file of the caller; generated DAG files pass it.
        module_name: The module of the caller, whose hooks `get_spark_config` and `get_dataproc_master_config`,
            `get_dataproc_worker_config` and `get_dataproc_secondary_worker_config` are used; generated DAG files pass
            it.
        **kwargs: Further options, which take precedence over `options`.

    Raises:
        StarlakeError: If an option is missing, or has an invalid value.
        MissingExtraError: If google-cloud-dataproc is not installed.
    """

    options_model: ClassVar[type[JobOptions]] = DataprocOptions
    service = "dataproc"
    where = "on Google Cloud"
    leaves_after_success = True

    def __init__(
        self,
        pre_load_strategy: StarlakePreLoadStrategy | str | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        cluster_config: StarlakeDataprocClusterConfig | None = None,
        filename: str | None = None,
        module_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pre_load_strategy, options, filename=filename, module_name=module_name, **kwargs)
        self.cluster_config = cluster_config or self._cluster_config_of_caller()
        for profile in self.settings.compute.values():
            self.cluster_config.sized(profile.dataproc)  # an invalid shape is an error now

    def make_executor(self) -> DataprocExecutor:
        """Return the executor."""
        return dataproc_executor(self.settings, self.cluster_config)

    def dummy_op(self, task_id: str, **kwargs: Any) -> OpDefinition:
        """Create an op that runs no command and only orders others.

        By default it has an input ``start`` that may stay unconnected: the op of `pre_tasks` can precede it.

        Args:
            task_id: The name of the op, and the value of its outputs.
            **kwargs: See `NodeOptions`.

        Returns:
            The op, to be called in a graph or a job.
        """
        return super().dummy_op(task_id, **with_start(kwargs))

    def pre_tasks(self, **kwargs: Any) -> OpDefinition:
        """Create the op that creates the cluster of the run.

        Args:
            **kwargs: See `NodeOptions`; and `task_id`, ``create_dataproc_cluster`` by default.

        Returns:
            The op, to be called in a graph or a job.

        Raises:
            StarlakeError: If an argument is unknown.
        """
        return self.infrastructure_op("create_dataproc_cluster", "cluster", deletes=False, **kwargs)

    def post_tasks(self, **kwargs: Any) -> OpDefinition:
        """Create the op that deletes the cluster of the run. By default it has an input ``start``.

        Args:
            **kwargs: See `NodeOptions`; and `task_id`, ``delete_dataproc_cluster`` by default.

        Returns:
            The op, to be called in a graph or a job.

        Raises:
            StarlakeError: If an argument is unknown.
        """
        return self.infrastructure_op("delete_dataproc_cluster", "cluster", deletes=True, **kwargs)

    @property
    def __dataproc__(self) -> DataprocResource:
        """The cluster as a resource of the package dagster-gcp, for ops of your own.

        Raises:
            StarlakeError: If dagster-gcp is not installed.
        """
        try:
            from ai.starlake.dagster.gcp.resource import StarlakeDataprocResource
        except ImportError as error:
            raise StarlakeError(
                "__dataproc__ needs the package dagster-gcp, which is not installed",
                cause=str(error),
                fix='pip install "starlake-jobs[dagster-gcp]"; commands and clusters do not need it',
            ) from None
        return StarlakeDataprocResource.of(self.settings, self.cluster_config)

    def _cluster_config_of_caller(self) -> StarlakeDataprocClusterConfig:
        from ai.starlake.gcp import StarlakeDataprocClusterConfig

        return StarlakeDataprocClusterConfig.from_module(self.filename or "", self.module_name or "", self.settings)
