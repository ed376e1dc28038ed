"""The names of schedules in generated files."""

from __future__ import annotations

from collections.abc import Iterable

from ai.starlake.project.models import Application

NO_SCHEDULE = "None"


class Schedules:
    """Names the schedules of what one DAG configuration is used for.

    A preset keeps its name; each cron expression, which no file name could hold, becomes ``cron1``, ``cron2``, ...

    Args:
        application: The settings, for the presets.
        schedules: All schedules, in the order in which they are numbered.
    """

    def __init__(self, application: Application, schedules: Iterable[str | None]) -> None:
        self._application = application
        self._names: dict[str, str] = {}
        for schedule in schedules:
            if schedule and any(char.isspace() for char in schedule.strip()):
                self._names.setdefault(schedule, f"cron{len(self._names) + 1}")

    def name(self, schedule: str | None) -> str:
        """The name of a schedule; ``None`` when there is none."""
        if not schedule or self._application.cron(schedule) is None:
            return NO_SCHEDULE
        return self._names.get(schedule, schedule)

    def cron(self, schedule: str | None) -> str | None:
        """Its cron expression; None when there is none."""
        return self._application.cron(schedule)
