"""Completion of a command with the dates and options of its run."""

from __future__ import annotations

from collections.abc import Mapping

from ai.starlake.common import format_timestamp
from ai.starlake.job import StarlakeCli, StarlakeCommand
from ai.starlake.orchestration.dates.run_dates import RunDates


def complete(
    command: StarlakeCommand, dates: RunDates, options: Mapping[str, str], *, cli: StarlakeCli
) -> StarlakeCommand:
    """Return a command completed with the dates of its run, and the options of its configuration.

    Args:
        command: The command.
        dates: The dates of the run.
        options: The options of the run's configuration, which take precedence.
        cli: The version of Starlake in use.
    """
    if command.verb in ("load", "transform", "replay") and cli.accepts("--scheduledDate"):
        command = command.with_arguments("--scheduledDate", format_timestamp(dates.logical))
    if command.verb == "transform" and dates.interval:
        interval = {
            "sl_data_interval_start": format_timestamp(dates.interval.start),
            "sl_data_interval_end": format_timestamp(dates.interval.end),
        }
        command = command.with_options(interval)
    return command.with_options(options)
