"""The trigger that waits for a pre-load check, in the triggerer, so that the check occupies no slot of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timezone
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

_MOST_FAILURES = 3
"""Maximum number of consecutive failed polls, as in an object store now and then, before the task fails."""


class StarlakePreLoadTrigger(BaseTrigger):
    """Polls until there may be something to load, or until the timeout.

    It only tells the task to check again: the task decides, and deletes an ack file. It holds nothing between two
    polls, so that it can be stopped at any time, and continues in another triggerer from its arguments.

    Args:
        watch: The result of `PreLoadWatch.as_plain_data`. It contains no secret.
        interval: Seconds between two polls.
        deadline: The time to stop, in ISO 8601.
    """

    def __init__(self, watch: Mapping[str, Any], interval: float, deadline: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own has no types
        self.watch = dict(watch)
        self.interval = interval
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the data for recreating this trigger in another process."""
        kind = type(self)
        arguments = {"watch": self.watch, "interval": self.interval, "deadline": self.deadline}
        return f"{kind.__module__}.{kind.__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the reason why the task has to check again."""
        poll = _Polls(self.watch)
        while (left := self._seconds_left()) > 0:
            await asyncio.sleep(min(self.interval, left))
            seen = await asyncio.to_thread(poll.look)  # listing files blocks
            if seen is None:
                self.log.warning(f"poll {poll.failures} of {_MOST_FAILURES + 1} that may fail: {poll.error}")
            if seen is None and poll.failures > _MOST_FAILURES:
                yield TriggerEvent({"status": "failed", "error": poll.error})
                return
            if seen:
                yield TriggerEvent({"status": "seen"})
                return
        yield TriggerEvent({"status": "late"})

    def _seconds_left(self) -> float:
        return (datetime.fromisoformat(self.deadline) - datetime.now(timezone.utc)).total_seconds()


class _Polls:
    """Polls of one trigger: the project is read once."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._watch: Any = None
        self.failures = 0
        self.error = ""

    def look(self) -> bool | None:
        """Return whether there may be something to load; None if the poll failed."""
        from airflow.sdk.log import mask_secret

        from ai.starlake.common.redaction import mask_passwords_of_urls
        from ai.starlake.orchestration.preload.pre_load_watch import PreLoadWatch

        try:
            if self._watch is None:
                self._watch = PreLoadWatch.of_plain_data(self._data)
                mask_secret(sorted(self._watch.secrets))
            seen: bool = self._watch.seen()
        except Exception as error:  # noqa: BLE001  the task fails with it, and must not wait forever
            self.failures += 1
            text = f"{error}" or type(error).__name__
            self.error = mask_passwords_of_urls(text) if self._watch is None else self._watch.masked(text)
            self._watch = None
            return None
        self.failures = 0
        return seen
