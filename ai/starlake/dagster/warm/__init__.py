"""Starlake commands in Java virtual machines that live longer than one command."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ai.starlake.dagster.shell import ShellOptions, StarlakeDagsterShellJob
from ai.starlake.executor.warm.warm_options import WARM
from ai.starlake.job import JobOptions

__all__ = ["StarlakeDagsterWarmJob", "WarmJobOptions"]


class WarmJobOptions(ShellOptions):
    """The options of `StarlakeDagsterWarmJob`."""

    warm: bool = Field(default=True, description=WARM)


class StarlakeDagsterWarmJob(StarlakeDagsterShellJob):
    """Creates ops that run Starlake commands in a Java virtual machine that the commands of a run share.

    Like `StarlakeDagsterShellJob` with the option ``warm``: no Java virtual machine is started for each command. See
    `IStarlakeJob` for the arguments.
    """

    options_model: ClassVar[type[JobOptions]] = WarmJobOptions
