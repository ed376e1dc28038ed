"""A resource that runs Starlake commands within the steps of `starlake_assets`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from dagster import AssetExecutionContext, ConfigurableResource, OpExecutionContext
from pydantic import Field

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.assets.steps.materializing import AssetBody, materialize
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.named_jobs import named_job
from ai.starlake.dagster.ops import Event, body_of, interruptible
from ai.starlake.dagster.run_command import failures
from ai.starlake.orchestration.asset_options import AssetOptions


class StarlakeResource(ConfigurableResource[Any]):
    """Runs the commands of the selected assets of a step, on an executor."""

    executor: str = Field(
        default="embedded",
        description="executor of commands: embedded, shell, warm, dataproc, cloud_run, or a class such as "
        "my_package.MyJob",
    )
    options: dict[str, Any] = Field(default={}, description="the options of the job; secrets by reference")

    _given: ClassVar[StarlakeDagsterJob[Any] | None] = None

    @classmethod
    def from_job(cls, sl_job: StarlakeDagsterJob[Any]) -> StarlakeResource:
        """Return a resource whose commands run like those of a job.

        Args:
            sl_job: An instance of any class of jobs.
        """
        # Dagster creates a resource again for each step, from its class and its fields.
        made: type[StarlakeResource] = type(cls.__name__, (cls,), {"__module__": cls.__module__, "_given": sl_job})
        job_class = type(sl_job)
        return made(executor=f"{job_class.__module__}.{job_class.__qualname__}")

    @property
    def sl_job(self) -> StarlakeDagsterJob[Any]:
        """The job, with the executor.

        Raises:
            StarlakeError: If there is no such executor, or if an option has an invalid value.
        """
        return self._given if self._given is not None else named_job(self.executor, self.options)

    def run(
        self,
        context: AssetExecutionContext | OpExecutionContext,
        *,
        options: Mapping[str, Any] | None = None,
        **overrides: Any,
    ) -> Iterator[Event]:
        """Run the commands of the selected assets of a step, in order; yield the events for Dagster.

        Args:
            context: The context of a step of `starlake_assets`.
            options: Substitutions for all commands, as ``--options`` of Starlake.
            **overrides: Options of the job in place of its own, such as ``max_rejected="5%"`` or ``stage=False``.

        Yields:
            Materializations, results of checks and outputs, each when its command has ended.

        Raises:
            Failure: If a command fails, or an argument is not an option; raised after all commands that do not depend
                on it.
        """
        of_op = context.op_execution_context if isinstance(context, AssetExecutionContext) else context
        with failures(retry=False):
            body = _body_of_step(of_op)
            sl_job = self.sl_job
            build = replace(
                body.build,
                sl_job=sl_job,
                runs_elsewhere=False,
                overrides=_checked(overrides, sl_job),
                command_options=options or {},
            )
        yield from interruptible(of_op, lambda inner: materialize(build, body.items, inner))


def _body_of_step(context: OpExecutionContext) -> AssetBody:
    body = body_of(context.op_def)
    if not isinstance(body, AssetBody):
        raise StarlakeError(
            f"{context.op_def.name} is not a step of @starlake_assets, and has no tables or tasks to run",
            fix="decorate its function with @starlake_assets(project=...)",
        )
    return body


def _checked(overrides: Mapping[str, Any], sl_job: StarlakeDagsterJob[Any]) -> Mapping[str, Any]:
    known = {*type(sl_job.settings).model_fields, *AssetOptions.model_fields}
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise StarlakeError(f"{', '.join(unknown)}: not an option of a job", fix=f"use {', '.join(sorted(known))}")
    return overrides
