"""First day of the partitions of a generated DAG file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from ai.starlake.common import DataInterval

WindowOf = Callable[[str, str, datetime], DataInterval]
"""Returns the window of a cron expression, in a time zone, that contains a timestamp."""

_START = re.compile(r"""["']start_date["']\s*:\s*["'](\d{4}-\d\d-\d\d)""")


@dataclass(frozen=True)
class Starts:
    """The option `start_date` of generated DAG files.

    An existing file keeps its value, so that generating it again changes no partitions. The partitions of a new one
    begin with the last interval that has ended: a project that was created today has no data of last year.

    Args:
        folder: The folder of the files.
        window_of: The orchestrator's arithmetic of cron expressions.
        now: The current time.
    """

    folder: Path
    window_of: WindowOf
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def __call__(self, name: str, crons: Sequence[str], zone: str) -> date | None:
        """Return the first day of a file; None if it has none."""
        file = self.folder / name
        if file.is_file():
            found = _START.search(file.read_text("utf-8", "replace"))
            return date.fromisoformat(found[1]) if found else None
        return min(self._last_begin(cron, zone) for cron in crons)

    def _last_begin(self, cron: str, zone: str) -> date:
        """Return the first day of the last interval that has ended."""
        current = self.window_of(cron, zone, self.now)
        return self.window_of(cron, zone, current.start.astimezone(timezone.utc) - timedelta(seconds=1)).start.date()
