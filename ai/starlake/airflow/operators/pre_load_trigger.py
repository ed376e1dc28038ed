"""The trigger that waits for a pre-load check, in the triggerer, so that the check takes no slot of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timezone
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

_MOST_FAILURES = 3
"""How many polls in a row may fail, as those of an object store do now and then, before the task fails."""


class StarlakePreLoadTrigger(BaseTrigger):
    """Poll until there may be something to load, or until the time is up.

    It only tells the task to look again: the task decides, and consumes an ack file. It holds nothing between two
    polls, so that it can be stopped at any time, and goes on in another triggerer from what it was made of.

    Args:
        watch: What to watch for, as `PreLoadWatch.as_plain_data` returns it. There is no secret in it.
        interval: Seconds between two polls.
        deadline: When to stop, in the format of ISO 8601.
    """

    def __init__(self, watch: Mapping[str, Any], interval: float, deadline: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own has no types
        self.watch = dict(watch)
        self.interval = interval
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what makes this trigger again in another process."""
        kind = type(self)
        arguments = {"watch": self.watch, "interval": self.interval, "deadline": self.deadline}
        return f"{kind.__module__}.{kind.__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: why the task is to look again."""
        poll = _Polls(self.watch)
        while (left := self._seconds_left()) > 0:
            await asyncio.sleep(min(self.interval, left))
            seen = await asyncio.to_thread(poll.look)  # a look at files blocks
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
    """The polls of one trigger: the project is read once."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._watch: Any = None
        self.failures = 0
        self.error = ""

    def look(self) -> bool | None:
        """Return whether there may be something to load; None if that cannot be found out."""
        from airflow.sdk.log import mask_secret

        from ai.starlake.common.redaction import mask_passwords_of_urls
        from ai.starlake.orchestration.preload.pre_load_watch import PreLoadWatch

        try:
            if self._watch is None:
                self._watch = PreLoadWatch.of_plain_data(self._data)
                mask_secret(sorted(self._watch.secrets))
            seen: bool = self._watch.seen()
        except Exception as error:  # noqa: BLE001  the task fails with it, and must not wait for ever
            self.failures += 1
            text = f"{error}" or type(error).__name__
            self.error = mask_passwords_of_urls(text) if self._watch is None else self._watch.masked(text)
            self._watch = None
            return None
        self.failures = 0
        return seen
