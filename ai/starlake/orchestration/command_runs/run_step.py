"""A step of an orchestrator's run, for runs of commands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Protocol

from ai.starlake.executor.protocol import Execution
from ai.starlake.job import StarlakeSparkConfig
from ai.starlake.orchestration.dates.run_dates import RunDates


class RunStep(Protocol):
    """The step that runs a command: a Dagster op or an Airflow task."""

    @property
    def name(self) -> str:
        """Name of the step; a section of the run's options may have it."""
        ...

    @property
    def is_dry_run(self) -> bool:
        """True if commands are logged instead of run.

        Raises:
            StarlakeError: If the configuration of the run has an invalid value for it.
        """
        ...

    def dates(self, zone: tzinfo) -> RunDates:
        """Return the dates of the run.

        Args:
            zone: The time zone of dates without an offset.

        Raises:
            StarlakeError: If the configuration of the run contains a value that is not a date.
        """
        ...

    def options(self, names: Iterable[str]) -> dict[str, str]:
        """Return the options of the run's configuration: the plain ones, then those of some sections.

        Raises:
            StarlakeError: If the name of a section is similar to an existing name, or a value is not valid for an
                option.
        """
        ...

    def execution(self, spark_config: StarlakeSparkConfig | None = None, *, outcomes: bool = False) -> Execution:
        """Return this attempt at the step, for executors.

        Args:
            spark_config: Resources of the Spark job.
            outcomes: True to report the outcome of each table or task.
        """
        ...

    def info(self, message: str) -> None:
        """Log a progress message."""
        ...
