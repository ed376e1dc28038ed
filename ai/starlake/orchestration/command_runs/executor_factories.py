"""Executors made from the options of a job, the same for every orchestrator.

Each function imports its executor when it is called, in the process that runs commands.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ai.starlake.orchestration.project_reading import read_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
    from ai.starlake.executor.process.supervision import Runner
    from ai.starlake.executor.project_facts import FactsFactory
    from ai.starlake.executor.protocol import Execution
    from ai.starlake.executor.shell import ShellExecutor
    from ai.starlake.executor.warm.warm_options import WarmOptions
    from ai.starlake.executor.warm.warm_server import Owner
    from ai.starlake.gcp import StarlakeDataprocClusterConfig
    from ai.starlake.gcp.cloud_run.backend import CloudRunExecutor
    from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
    from ai.starlake.gcp.dataproc.backend import DataprocExecutor
    from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
    from ai.starlake.job import JobOptions
    from ai.starlake.job.process_options import ProcessOptions


def shell_executor(
    settings: ProcessOptions,
    *,
    runner: Runner | None = None,
    death_fd: Callable[[], int | None] | None = None,
) -> ShellExecutor:
    """Return the executor that starts processes.

    Args:
        settings: The options of the job.
        runner: Starts them; our own runner by default.
        death_fd: Returns a file descriptor that is closed when the run's process dies; none by default.
    """
    from ai.starlake.executor.process.supervision import run_process
    from ai.starlake.executor.shell import ShellExecutor

    return ShellExecutor(
        settings.SL_STARLAKE_PATH,
        facts=_facts(settings),
        lock=settings.duckdb_lock,
        lock_timeout=settings.duckdb_lock_timeout,
        runner=runner or run_process,
        death_fd=death_fd,
    )


def warm_executor(
    settings: WarmOptions,
    *,
    owner: Callable[[], Owner],
    scope: Callable[[Execution], str],
    death_fd: Callable[[], int | None] | None = None,
) -> ShellExecutor:
    """Make the executor that runs commands in warm servers, and as processes where that is in doubt.

    Args:
        settings: The options of the job.
        owner: Returns the process whose end ends the servers.
        scope: Returns what names the commands that share servers.
        death_fd: Returns a file descriptor that is closed when the run's process dies; none by default.
    """
    from ai.starlake.executor.warm.warm_runner import WarmRunner

    runner = WarmRunner(settings.warm_settings, owner=owner, scope=scope)
    return shell_executor(settings, runner=runner, death_fd=death_fd)


def embedded_executor(settings: JobOptions) -> EmbeddedExecutor:
    """Return the executor that calls the embedded engine."""
    from ai.starlake.embedded.embedded_executor import EmbeddedExecutor

    return EmbeddedExecutor(lock_timeout=settings.duckdb_lock_timeout)


def dataproc_executor(settings: DataprocOptions, cluster_config: StarlakeDataprocClusterConfig) -> DataprocExecutor:
    """Return the executor that submits Spark jobs to Dataproc.

    Args:
        settings: The options of the job.
        cluster_config: Configuration of clusters.
    """
    from ai.starlake.gcp.dataproc.backend import DataprocExecutor

    return DataprocExecutor(settings, cluster_config=cluster_config, facts=_facts(settings))


def cloud_run_executor(settings: CloudRunOptions) -> CloudRunExecutor:
    """Return the executor that runs executions of a Cloud Run job."""
    from ai.starlake.gcp.cloud_run.backend import CloudRunExecutor

    return CloudRunExecutor(settings, facts=_facts(settings))


def _facts(settings: JobOptions) -> FactsFactory:
    return partial(read_project, files=settings.files)
