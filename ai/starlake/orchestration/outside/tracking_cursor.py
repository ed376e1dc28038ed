"""What tracking keeps from one tick to the next."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class TrackingCursor:
    """What is known of the audit: which rows are mirrored or not to be, and which wait for their run to end.

    Nothing changes it: a tick makes another one.
    """

    since: float
    tick: float
    handled: tuple[str, ...] = ()
    waiting: tuple[tuple[str, str, float], ...] = ()

    def as_text(self) -> str:
        """Return it as the text that a sensor keeps."""
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str) -> TrackingCursor:
        """Return the cursor that a text holds.

        Raises:
            StarlakeError: If the text is damaged, or of another version.
        """
        data = json.loads(text)
        waiting = tuple((digest, job_id, seen) for digest, job_id, seen in data["waiting"])
        return cls(data["since"], data["tick"], tuple(data["handled"]), waiting)
