"""Jobs by the names of their orchestrator and execution environment."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.job.names import StarlakeExecutionEnvironment, StarlakeOrchestrator
from ai.starlake.job.starlake_job import IStarlakeJob


class StarlakeJobFactory:
    """Makes the job that a generated DAG file asks for. Only the module of that one is imported."""

    _classes: Mapping[tuple[str, str], str] = {
        ("dagster", "shell"): "ai.starlake.dagster.shell:StarlakeDagsterShellJob",
        ("dagster", "embedded"): "ai.starlake.dagster.embedded:StarlakeDagsterEmbeddedJob",
        ("dagster", "cloud_run"): "ai.starlake.dagster.gcp:StarlakeDagsterCloudRunJob",
        ("dagster", "dataproc"): "ai.starlake.dagster.gcp:StarlakeDagsterDataprocJob",
    }

    @classmethod
    def register(
        cls,
        orchestrator: StarlakeOrchestrator | str,
        execution_environment: StarlakeExecutionEnvironment | str,
        job_class: str,
    ) -> None:
        """Adds a class of jobs, or puts it in the place of the one that is known.

        Args:
            orchestrator: The orchestrator that it is for.
            execution_environment: Where its commands run; any name will do.
            job_class: Where the class is: ``package.module:Class``.
        """
        cls._classes = {**cls._classes, (str(orchestrator), str(execution_environment)): job_class}

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
        """Makes a job.

        Args:
            filename: The file of the caller, after which pipelines are named.
            module_name: The module of the caller, whose variables and hooks count.
            orchestrator: Who runs its pipelines.
            execution_environment: Where its commands run.
            options: The options, as the README lists them.
            **kwargs: What the class of the job takes.

        Raises:
            StarlakeError: If there is no such class, if a package that it needs is not installed, or if an option has a
                value that it does not accept.
        """
        job_class = cls._class(str(orchestrator).lower(), str(execution_environment).lower())
        given = dict(options or {})
        # dag-generate writes the zone under this name only
        if given.get("SL_TIMEZONE"):
            given.setdefault("timezone", given["SL_TIMEZONE"])
        return job_class(filename=filename, module_name=module_name, options=given, **kwargs)

    @classmethod
    def _class(cls, orchestrator: str, environment: str) -> type[IStarlakeJob[Any]]:
        path = cls._classes.get((orchestrator, environment))
        if path is None:
            known = [name for owner, name in cls._classes if owner == orchestrator]
            raise StarlakeError(
                f"this package does not run Starlake on {environment} with {orchestrator}",
                cause=None if known else "the only orchestrator that it knows is dagster",
                fix=f"use one of the execution environments {', '.join(sorted(known))}: generate the file from the "
                "template that is named for it"
                if known
                else "generate the file from a template whose name begins with dagster",
            )
        module, _, name = path.partition(":")
        try:
            found: type[IStarlakeJob[Any]] = getattr(importlib.import_module(module), name)
        except ImportError as error:
            raise StarlakeError(
                f"running Starlake on {environment} with {orchestrator} needs a package that is not installed",
                cause=str(error),
                fix=f'pip install "starlake-jobs[{_EXTRAS.get(environment, "all")}]"',
            ) from error
        return found


_EXTRAS = {"shell": "dagster", "embedded": "dagster,embedded", "cloud_run": "dagster,gcp", "dataproc": "dagster,gcp"}
