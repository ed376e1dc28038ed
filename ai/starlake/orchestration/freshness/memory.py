"""The state of a sensor between two ticks, and its form in the cursor."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

logger = logging.getLogger(__name__)

Window = datetime | None
"""The start of an interval; None if intervals are the times between runs."""

_VERSION = 2
_MOST_STARTED = 100
_DATES = ("looked", "launched", "logical", "previous")


@dataclass(frozen=True)
class Memory:
    """The state between two ticks. It does not grow with the history.

    Args:
        looked: The time of the first check; None before it.
        consumed: By dataset, the id of the last read update.
        furthest: By dataset, its latest logical date.
        pending: By interval, the datasets that were updated in it since a run was started for it, with the ids of these
            updates.
        started: The last intervals that runs were started for.
        launched: Start time of the last run.
        logical: The latest logical date that a run was started for.
        previous: The start of that run's data interval.
    """

    looked: datetime | None = None
    consumed: Mapping[str, int] = field(default_factory=dict)
    furthest: Mapping[str, datetime] = field(default_factory=dict)
    pending: Mapping[Window, Mapping[str, int]] = field(default_factory=dict)
    started: tuple[datetime, ...] = ()
    launched: datetime | None = None
    logical: datetime | None = None
    previous: datetime | None = None

    def without(self, window: Window, used: Mapping[Window, Collection[str]]) -> Memory:
        """Return the state after a run was started for an interval.

        Args:
            window: The interval.
            used: By interval, the other datasets whose updates the run uses.
        """
        left = {
            other: {name: number for name, number in names.items() if name not in used.get(other, ())}
            for other, names in self.pending.items()
            if other != window
        }
        return replace(
            self,
            pending={other: names for other, names in left.items() if names},
            started=(*(other for other in self.started if other != window), window)[-_MOST_STARTED:] if window else (),
        )

    def written(self) -> str:
        """Return the cursor."""
        return json.dumps(
            {
                "version": _VERSION,
                "consumed": self.consumed,
                "furthest": {name: moment.isoformat() for name, moment in self.furthest.items()},
                "pending": {_text(window): names for window, names in self.pending.items()},
                "started": [window.isoformat() for window in self.started],
                **{name: moment.isoformat() for name in _DATES for moment in [getattr(self, name)] if moment},
            },
            sort_keys=True,
        )

    @classmethod
    def read(cls, cursor: str | None) -> Memory:
        """Read a cursor. One of another kind of sensor with this name is empty."""
        if not cursor:
            return cls()
        try:
            kept: dict[str, Any] = json.loads(cursor)
            if kept["version"] != _VERSION:
                raise ValueError("of another version")  # noqa: TRY301
            return cls(
                consumed=_numbers(kept["consumed"]),
                furthest={str(name): datetime.fromisoformat(text) for name, text in kept["furthest"].items()},
                pending={_window(text): _numbers(names) for text, names in kept["pending"].items()},
                started=tuple(map(datetime.fromisoformat, kept["started"])),
                **{name: datetime.fromisoformat(kept[name]) for name in _DATES if name in kept},
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            logger.warning("the cursor of the sensor is unreadable, and is ignored: %.100s", cursor)
            return cls()


def _numbers(entries: Mapping[Any, Any]) -> dict[str, int]:
    return {str(name): int(number) for name, number in entries.items()}


def _text(window: Window) -> str:
    return window.isoformat() if window else ""


def _window(text: str) -> Window:
    return datetime.fromisoformat(text) if text else None
