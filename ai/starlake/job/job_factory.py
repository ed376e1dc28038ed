"""Job classes by the names of their orchestrator and execution environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.plug_ins import EXECUTORS, load, plug_ins
from ai.starlake.job.names import StarlakeExecutionEnvironment, StarlakeOrchestrator
from ai.starlake.job.starlake_job import IStarlakeJob


class StarlakeJobFactory:
    """Creates the job that a generated DAG file asks for. Only the module of its class is imported."""

    @classmethod
    def create_job(
        cls,
        filename: str,
        module_name: str,
        orchestrator: StarlakeOrchestrator | str,
        execution_environment: StarlakeExecutionEnvironment | str,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> IStarlakeJob[Any]:
        """Create a job.

        Args:
            filename: The file of the caller; pipelines are named after it.
            module_name: The module of the caller; its variables and hooks are used.
            orchestrator: The orchestrator of its pipelines.
            execution_environment: The execution environment of its commands.
            options: The options of the job.
            **kwargs: Arguments of the class of the job.

        Returns:
            The job; its class is that of `job_class`.

        Raises:
            StarlakeError: If there is no such class, if a package that it needs is not installed, or if an option has a
                value that it does not accept.
        """
        job_class = cls.job_class(str(orchestrator).lower(), str(execution_environment).lower())
        return job_class(filename=filename, module_name=module_name, options=options, **kwargs)

    @classmethod
    def job_class(cls, orchestrator: str, environment: str) -> type[IStarlakeJob[Any]]:
        """Return the class of jobs that run commands in an execution environment.

        Packages register such classes as entry points of the group ``starlake.executors``, named after the orchestrator
        and the environment: ``dagster.shell``.

        Args:
            orchestrator: ``dagster`` or ``airflow``.
            environment: ``shell``, ``embedded``, ``dataproc``, ``cloud_run`` or that of another installed package.

        Raises:
            StarlakeError: If no installed package offers one, or if a package that it needs is not installed.
        """
        executors = plug_ins(EXECUTORS)
        found = executors.get(f"{orchestrator}.{environment}")
        if found is None:
            raise _no_executor(orchestrator, environment, list(executors))
        made: type[IStarlakeJob[Any]] = load(found, f"running Starlake on {environment} with {orchestrator}")
        return made


def _no_executor(orchestrator: str, environment: str, installed: list[str]) -> StarlakeError:
    here = [name.partition(".")[2] for name in installed if name.startswith(f"{orchestrator}.")]
    orchestrators = sorted({name.partition(".")[0] for name in installed})
    names = f"installed executors: {', '.join(installed) or 'none'}"
    if here:
        fix = f"use one of the execution environments {', '.join(here)}: generate the file from the template that is "
        fix += "named for it; or install a package that offers the other one"
    elif orchestrators:
        names = f"orchestrators that it knows: {', '.join(orchestrators)}; {names}"
        fix = f"generate the file from a template whose name begins with {' or '.join(orchestrators)}"
    else:
        fix = "install starlake-jobs again, so that its entry points are known"
    return StarlakeError(
        f"this package does not run Starlake on {environment} with {orchestrator}", cause=names, fix=fix
    )
