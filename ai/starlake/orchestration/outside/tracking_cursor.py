"""State of tracking between ticks, as a string of limited length."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration.outside.seen_minutes import SeenMinute
from ai.starlake.orchestration.outside.waiting_runs import LastPart, WaitingRun

LONGEST_CURSOR = 262_144
"""Maximum bytes of the string."""
_NAME, _VERSION = "starlake-tracking", "1"
_FIX = (
    "clear the cursor of the sensor in Dagster's UI; what the audit holds by then is history for the next tick, which "
    "syncs it instead of mirroring it run by run"
)


@dataclass(frozen=True)
class TrackingCursor:
    """The read rows of the audit, and those of them that wait until their run has ended.

    Immutable: a tick creates another one. The mirrored runs of a tick depend on the cursor alone, so a tick that is
    evaluated again, because its cursor was not kept, mirrors the same runs with the same keys.

    Args:
        tick: The time of the tick, by the clock of the sensor.
        horizon: The first minute that is watched; rows that ended before it are too late.
        newest: The newest minute with rows in the audit, by its own clock.
        checked: Time of the last check for late rows, by the clock of the sensor.
        minutes: The known rows, by minute.
        closed: Number of rows of each of the last hours before the horizon.
        waiting: The runs that may get more rows.
        parts: The last run of each JOBID.
    """

    tick: float
    horizon: int
    newest: int
    checked: float
    minutes: Mapping[int, SeenMinute] = field(default_factory=dict)
    closed: Mapping[int, int] = field(default_factory=dict)
    waiting: tuple[WaitingRun, ...] = ()
    parts: Mapping[int, LastPart] = field(default_factory=dict)

    def as_text(self) -> str:
        """Return the cursor as a string for a sensor; ASCII, at most `LONGEST_CURSOR` bytes."""
        return self._text

    @cached_property
    def _text(self) -> str:
        data = {
            "tick": self.tick,
            "horizon": self.horizon,
            "newest": self.newest,
            "checked": self.checked,
            "minutes": [[minute - self.horizon, *_minute_as_data(seen)] for minute, seen in self.minutes.items()],
            "closed": list(self.closed.items()),
            "waiting": [_run_as_data(run) for run in self.waiting],
            "parts": [[job, part.further, part.last] for job, part in self.parts.items()],
        }
        packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), level=1)
        return f"{_NAME}:{_VERSION}:{base64.b64encode(packed).decode()}"

    @classmethod
    def of_text(cls, text: str) -> TrackingCursor:
        """Return the cursor from a string.

        Args:
            text: Cursor of the sensor.

        Raises:
            StarlakeError: If the string is damaged, or of another version. Then nothing is mirrored until a user
                decides, because only the string records which rows are mirrored already.
        """
        name, _, rest = text.partition(":")
        version, _, packed = rest.partition(":")
        if name != _NAME or not packed:
            raise _unreadable(f"it begins with {text[:30]!r}, and not with {_NAME}:{_VERSION}:")
        if version != _VERSION:
            raise _unreadable(f"it is of version {version[:10]}; this version of the library reads version {_VERSION}")
        try:
            data = json.loads(zlib.decompress(base64.b64decode(packed, validate=True)))
            cursor = cls._of_data(data)
        except (binascii.Error, zlib.error, ValueError, TypeError, KeyError) as error:
            raise _unreadable(f"it is damaged ({type(error).__name__})") from None
        cursor.__dict__["_text"] = text
        return cursor

    @classmethod
    def _of_data(cls, data: Mapping[str, Any]) -> TrackingCursor:
        horizon = data["horizon"]
        return cls(
            data["tick"],
            horizon,
            data["newest"],
            data["checked"],
            {horizon + offset: _minute_of_data(*seen) for offset, *seen in data["minutes"]},
            dict(data["closed"]),
            tuple(_run_of_data(*values) for values in data["waiting"]),
            {job: LastPart(*part) for job, *part in data["parts"]},
        )


def _minute_as_data(seen: SeenMinute) -> list[Any]:
    return [seen.count, seen.present, seen.total, seen.bits, base64.b64encode(seen.prints).decode(), seen.position]


def _minute_of_data(count: int, present: int, total: int, bits: int, prints: str, position: int | None) -> SeenMinute:
    return SeenMinute(count, present, total, bits, base64.b64decode(prints, validate=True), position)


def _run_as_data(run: WaitingRun) -> list[Any]:
    return [run.job, run.further, run.first, run.last, run.since, run.seen, run.rows]


def _run_of_data(
    job: int | None, further: int, first: int, last: int, since: float, seen: float, rows: list[int]
) -> WaitingRun:
    return WaitingRun(job, further, first, last, since, seen, tuple(rows))


def _unreadable(cause: str) -> StarlakeError:
    return StarlakeError("the cursor of the sensor cannot be read", cause=cause, fix=_FIX)
