"""Starlake commands as local processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import require_dagster

require_dagster()

from ai.starlake.dagster import _compat
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.executor.protocol import StarlakeExecutor
from ai.starlake.executor.warm.warm_options import WarmOptions
from ai.starlake.job import JobOptions
from ai.starlake.orchestration.command_runs.executor_factories import shell_executor

if TYPE_CHECKING:
    from dagster import JobDefinition, SensorDefinition

    from ai.starlake.executor.process.supervision import Runner

__all__ = ["ShellOptions", "StarlakeDagsterShellJob"]


class ShellOptions(WarmOptions):
    """The options of `StarlakeDagsterShellJob`."""

    shell_runner: Literal["process", "dagster-shell"] = Field(
        default="process", description="library that starts processes: ours, or dagster-shell (docs/shell.md)"
    )

    def _check(self) -> None:
        super()._check()
        if self.warm and self.shell_runner != "process":
            raise StarlakeError(
                f"options warm and shell_runner: {self.shell_runner} exclude each other",
                cause="a warm server takes the place of the processes that dagster-shell starts",
                fix="leave one of them out",
            )


class StarlakeDagsterShellJob(StarlakeDagsterJob[ShellOptions]):
    """Creates ops that run each Starlake command as a process on the machine of the step.

    See `IStarlakeJob` for the arguments.
    """

    options_model: ClassVar[type[JobOptions]] = ShellOptions

    def make_executor(self) -> StarlakeExecutor:
        """Return the executor, which starts processes, or runs commands in warm servers."""
        if self.settings.warm:
            from ai.starlake.dagster.shell._warm_servers import executor_of

            return executor_of(self.settings)
        runner = _runner_of(self.settings.shell_runner)
        return shell_executor(self.settings, runner=runner, death_fd=_compat.run_process_sentinel)

    def sensors(
        self, jobs: Iterable[JobDefinition] | None = None, *, name: str | None = None
    ) -> list[SensorDefinition]:
        """Return the sensors that clean up after runs: those for compute profiles of Polars Cloud.

        Args:
            jobs: Jobs whose runs are watched; all jobs of the code location by default.
            name: Part of the name of the sensors; by default the file name of this job.
        """
        from ai.starlake.dagster.polars.contexts_janitor import sensors_of_profiles

        return sensors_of_profiles(self.settings, jobs, name or self.filename)


def _runner_of(name: str) -> Runner | None:
    if name == "dagster-shell":
        from ai.starlake.dagster.shell._dagster_shell import run_with_dagster_shell

        return run_with_dagster_shell
    return None
