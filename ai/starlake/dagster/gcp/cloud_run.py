"""Starlake commands as executions of a Cloud Run job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from dagster import JobDefinition, OpDefinition, SensorDefinition

from ai.starlake.dagster.gcp.janitor import PATIENCE, Janitor
from ai.starlake.dagster.job import Dataset, StarlakeDagsterJob
from ai.starlake.executor.protocol import Execution, StarlakeExecutor
from ai.starlake.gcp.cloud_run.options_cloud_run import CloudRunOptions
from ai.starlake.job import JobOptions, StarlakePreLoadStrategy, StarlakeSparkConfig
from ai.starlake.orchestration.project_reading import read_project

if TYPE_CHECKING:
    from ai.starlake.gcp.cloud_run.cloud_run_executor import CloudRunExecutor


class StarlakeDagsterCloudRunJob(StarlakeDagsterJob):
    """Generates ops that run each Starlake command as an execution of a Cloud Run job.

    The entry point of the job's image has to be Starlake's launcher. Ops that run commands belong to the pool that the
    option `cloud_run_pool` names: with a limit there, Dagster starts no more executions at once than the quota allows.
    See `IStarlakeJob` for the arguments.
    """

    options_model: ClassVar[type[JobOptions]] = CloudRunOptions

    def executor(self) -> StarlakeExecutor:
        """The executor, made once per process."""
        return self._executor

    def sl_job(
        self,
        task_id: str,
        arguments: Sequence[str],
        spark_config: StarlakeSparkConfig | None = None,
        *,
        dataset: Dataset | None = None,
        **kwargs: Any,
    ) -> OpDefinition:
        """Generates the op that runs a command of Starlake. See `StarlakeDagsterJob.sl_job`."""
        return super().sl_job(task_id, arguments, spark_config, dataset=dataset, **self._with_pool(kwargs))

    def sensors(
        self, jobs: Iterable[JobDefinition] | None = None, *, name: str | None = None
    ) -> list[SensorDefinition]:
        """Generates the sensors that cancel the executions of runs that failed or were cancelled.

        They run in Dagster's daemon; a run whose process died is only noticed with run monitoring.

        Args:
            jobs: The jobs whose runs they look after; by default all jobs of the code location.
            name: What their names begin with.
        """
        return Janitor(self._sweep, "cloud_run").sensors(jobs, name or self.filename)

    def pre_load_check(
        self, domain: str, tables: tuple[str, ...], strategy: StarlakePreLoadStrategy, **kwargs: Any
    ) -> OpDefinition:
        """Generates the op that decides whether a domain is loaded. See `StarlakeDagsterJob.pre_load_check`."""
        asks_starlake = self.settings.pre_load_check == "command"
        return super().pre_load_check(
            domain, tables, strategy, **(self._with_pool(kwargs) if asks_starlake else kwargs)
        )

    def _with_pool(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"pool": self._settings.cloud_run_pool, **kwargs}

    def _sweep(self, execution: Execution) -> list[str]:
        from ai.starlake.dagster.gcp.sweeps import sweep_cloud_run

        return sweep_cloud_run(self._settings.model_copy(update={"outage_tolerance": PATIENCE}), execution)

    @property
    def _settings(self) -> CloudRunOptions:
        settings = self.settings
        assert isinstance(settings, CloudRunOptions)  # noqa: S101  by options_model
        return settings

    @cached_property
    def _executor(self) -> CloudRunExecutor:
        from ai.starlake.gcp.cloud_run.cloud_run_executor import CloudRunExecutor

        return CloudRunExecutor(self._settings, facts=partial(read_project, files=self._settings.files))
