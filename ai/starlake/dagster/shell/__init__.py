"""Starlake commands as local processes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ai.starlake.dagster import require_dagster

require_dagster()

from ai.starlake.dagster import _compat
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.executor.protocol import StarlakeExecutor
from ai.starlake.job import JobOptions
from ai.starlake.orchestration.project_reading import read_project

if TYPE_CHECKING:
    from dagster import JobDefinition, SensorDefinition

    from ai.starlake.executor.process.supervision import Runner

__all__ = ["ShellOptions", "StarlakeDagsterShellJob"]


def _read_executable(value: object) -> object:
    """Read the option: a path is one string, blanks and all; a command with arguments is a list."""
    return tuple(value) if isinstance(value, list) else value


class ShellOptions(JobOptions):
    """The options of `StarlakeDagsterShellJob`."""

    SL_STARLAKE_PATH: Annotated[str | tuple[str, ...], BeforeValidator(_read_executable), Field(min_length=1)] = Field(
        default="starlake",
        description="the `starlake` executable: a path, a name to look up, or a list; `starlake-embedded` is ours",
    )
    shell_runner: Literal["process", "dagster-shell"] = Field(
        default="process", description="what starts processes: ours, or the package dagster-shell (see below)"
    )


class StarlakeDagsterShellJob(StarlakeDagsterJob[ShellOptions]):
    """Generates ops that run each Starlake command as a process on the machine of the step.

    See `IStarlakeJob` for the arguments.
    """

    options_model: ClassVar[type[JobOptions]] = ShellOptions

    def make_executor(self) -> StarlakeExecutor:
        """Make the executor, which starts processes."""
        from ai.starlake.executor.shell import ShellExecutor

        settings = self.settings
        return ShellExecutor(
            settings.SL_STARLAKE_PATH,
            facts=partial(read_project, files=settings.files),
            lock=settings.duckdb_lock,
            lock_timeout=settings.duckdb_lock_timeout,
            runner=_runner_of(settings.shell_runner),
            death_fd=_compat.run_process_sentinel,
        )

    def sensors(
        self, jobs: Iterable[JobDefinition] | None = None, *, name: str | None = None
    ) -> list[SensorDefinition]:
        """Generate the sensors that clean up after runs: those that compute profiles for Polars Cloud need."""
        from ai.starlake.dagster.polars.contexts_janitor import sensors_of_profiles

        return sensors_of_profiles(self.settings, jobs, name or self.filename)


def _runner_of(name: str) -> Runner:
    if name == "dagster-shell":
        from ai.starlake.dagster.shell._dagster_shell import run_with_dagster_shell

        return run_with_dagster_shell
    from ai.starlake.executor.process.supervision import run_process

    return run_process
