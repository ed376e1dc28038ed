"""A step of an orchestrator's run, as the run of a command sees it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Protocol

from ai.starlake.executor.protocol import Execution
from ai.starlake.job import StarlakeSparkConfig
from ai.starlake.orchestration.dates.run_dates import RunDates


class RunStep(Protocol):
    """The step that runs a command: an op of Dagster, a task of Airflow."""

    @property
    def name(self) -> str:
        """The name of the step, by which a section of the run's options may call it."""
        ...

    @property
    def is_dry_run(self) -> bool:
        """True if commands are logged instead of run.

        Raises:
            StarlakeError: If the configuration of the run does not say it in a way that can be understood.
        """
        ...

    def dates(self, zone: tzinfo) -> RunDates:
        """Return the dates of the run.

        Args:
            zone: The time zone of dates without an offset.

        Raises:
            StarlakeError: If the configuration of the run holds a value that is not a date.
        """
        ...

    def options(self, names: Iterable[str]) -> dict[str, str]:
        """Return the options of the run's configuration: the plain ones, then those of the sections of these names.

        Raises:
            StarlakeError: If a section is nearly named as something that there is, or a value cannot be an option.
        """
        ...

    def execution(self, spark_config: StarlakeSparkConfig | None = None, *, outcomes: bool = False) -> Execution:
        """Return this attempt at the step, as executors see it.

        Args:
            spark_config: What the Spark job may use.
            outcomes: Whether to report the outcome of each table or task.
        """
        ...

    def info(self, message: str) -> None:
        """Log something that a person who watches the run wants to know."""
        ...
