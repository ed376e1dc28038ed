"""Names of schedules in generated files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count

from ai.starlake.project.lineage.hash_order import hash_order
from ai.starlake.project.models import Application

NO_SCHEDULE = "None"


TABLE_VARIABLES = frozenset({"table", "finalTable", "renamedTable"})
DOMAIN_VARIABLES = frozenset({"domain", "finalDomain", "renamedDomain"})


_Key = tuple[str, str]


def load_schedule_names(schedules: Mapping[_Key, str | None], used: Collection[str]) -> dict[_Key, str]:
    """Return the names of the schedules of a DAG configuration's tables, like Starlake's ``dag-generate``.

    A preset keeps its name. A cron expression becomes ``cron1``, ``cron2``, ...: one number per table in files for
    tables; one per domain in files for domains, where Starlake counts a domain as often as it has schedules, and the
    last count applies, unless each schedule has a file; otherwise one per expression. The order is that of Starlake.

    Args:
        schedules: The schedules, by domain and table.
        used: The variables in the file name of the configuration.
    """
    numbers = count(1)
    names: dict[_Key, str] = {}
    for schedule, keys in _counted(schedules, used):
        name = f"cron{next(numbers)}" if " " in schedule.strip() else schedule
        names.update((key, name) for key in keys if "schedule" not in used or key not in names)
    return names


def _counted(schedules: Mapping[_Key, str | None], used: Collection[str]) -> Iterator[tuple[str, list[_Key]]]:
    """Yield schedules as often as Starlake counts them, each time with their domains and tables."""
    tables: dict[str, list[_Key]] = {}
    for key in sorted(schedules):
        tables.setdefault(schedules[key] or NO_SCHEDULE, []).append(key)
    ordered = [(schedule, tables[schedule]) for schedule in hash_order(tables)]
    if TABLE_VARIABLES & set(used):
        yield from ((schedule, [key]) for schedule, keys in ordered for key in keys)
    elif DOMAIN_VARIABLES & set(used):
        for domain in sorted(domain for _, keys in ordered for domain in {key[0] for key in keys}):
            for schedule, keys in ordered:
                if own := [key for key in keys if key[0] == domain]:
                    yield schedule, own
    else:
        yield from ordered


class Schedules:
    """Names of the schedules of the tasks of one DAG configuration.

    A preset keeps its name; a cron expression, which is not valid in a file name, becomes ``cron1``, ``cron2``, ...

    Args:
        application: The settings, for the presets.
        schedules: All schedules, in numbering order.
    """

    def __init__(self, application: Application, schedules: Iterable[str | None]) -> None:
        self._application = application
        self._names: dict[str, str] = {}
        for schedule in schedules:
            if schedule and any(char.isspace() for char in schedule.strip()):
                self._names.setdefault(schedule, f"cron{len(self._names) + 1}")

    def name(self, schedule: str | None) -> str:
        """Return the name of a schedule; ``None`` without a schedule."""
        if not schedule or self._application.cron(schedule) is None:
            return NO_SCHEDULE
        return self._names.get(schedule, schedule)

    def cron(self, schedule: str | None) -> str | None:
        """Return the cron expression of a schedule; None without a schedule."""
        return self._application.cron(schedule)
