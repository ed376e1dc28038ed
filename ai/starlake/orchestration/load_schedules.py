"""Schedules of loads: domains, their tables, and cron expressions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration.orchestration_options import is_cron


def cron_of(text: str | None, culprit: str) -> str | None:
    """Return a cron expression; ``None``, also as a string, means that there is none.

    Args:
        text: The expression.
        culprit: Description of its owner, for the error message.

    Raises:
        StarlakeError: If it does not have the form of a cron expression.
    """
    if text is None or text.strip().lower() in ("", "none"):
        return None
    if not is_cron(text):
        raise StarlakeError(
            f"{culprit}: {text!r} is not a cron expression",
            fix="write minute, hour, day of month, month and day of week, as in '0 6 * * 1-5'",
        )
    return text.strip()


class StarlakeTable:
    """A loaded table.

    Args:
        name: Its name.
        final_name: Its name in the database; by default `name`.
        **kwargs: Ignored.
    """

    def __init__(self, name: str, final_name: str | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        self.name = name
        self.final_name = final_name or name

    def __repr__(self) -> str:
        return f"StarlakeTable({self.name!r})"


class StarlakeDomain:
    """A domain, with its loaded tables.

    Args:
        name: Its name.
        final_name: Its name in the database; by default `name`.
        tables: Its tables.
        **kwargs: Ignored.
    """

    def __init__(
        self,
        name: str,
        final_name: str | None = None,
        tables: Iterable[StarlakeTable] = (),
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        self.name = name
        self.final_name = final_name or name
        self.tables = list(tables)

    def __repr__(self) -> str:
        return f"StarlakeDomain({self.name!r}, tables={self.tables})"


class StarlakeSchedule:
    """A schedule by which domains are loaded.

    Args:
        name: Its name, which becomes part of the name of the pipeline; a file with one schedule sets it to None.
        cron: Its cron expression; None if loads are started otherwise.
        domains: The domains.
        **kwargs: Ignored.

    Raises:
        StarlakeError: If the cron expression is not valid.
    """

    def __init__(
        self,
        name: str | None = None,
        cron: str | None = None,
        domains: Iterable[StarlakeDomain] = (),
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        self.name = None if name is None or name.strip().lower() in ("", "none") else name
        self.cron = cron_of(cron, f"schedule {name}")
        self.domains = list(domains)

    def __repr__(self) -> str:
        return f"StarlakeSchedule({self.name!r}, cron={self.cron!r}, domains={self.domains})"


class StarlakeSchedules:
    """Several schedules.

    Args:
        schedules: The schedules.
    """

    def __init__(self, schedules: Iterable[StarlakeSchedule]) -> None:
        self.schedules = list(schedules)

    def __iter__(self) -> Iterator[StarlakeSchedule]:
        return iter(self.schedules)

    def __getitem__(self, index: int) -> StarlakeSchedule:
        return self.schedules[index]

    def __len__(self) -> int:
        return len(self.schedules)
