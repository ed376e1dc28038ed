"""State of a task: from one attempt to the next, and when a user clears it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ai.starlake.executor.process.interrupts import interrupts_held

if TYPE_CHECKING:
    from airflow.sdk import Context

_WINDOW = "starlake_window"


class TaskMemory:
    """The state of a task within one run of its DAG.

    It is in Airflow's task state store, available since 3.3: an XCom is deleted when the next attempt begins. Without
    that store nothing is remembered, nor after a success if ``[state_store] clear_on_success`` is set.

    Args:
        context: The context of the task.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store: Any = context.get("task_state_store")

    def recall(self, key: str) -> Any:
        """Return the value of a key; None for an unknown key."""
        if self._store is None:
            return None
        with interrupts_held():
            return self._store.get(key)

    def keep(self, key: str, value: Any) -> None:
        """Keep a JSON-compatible value for later attempts in this run."""
        if self._store is not None:
            with interrupts_held():
                self._store.set(key, value)

    def window_start(self) -> datetime:
        """Return the start of the first of these attempts: retries share one timeout, and a cleared task has a new one.

        Without the store, it is the start of the run.
        """
        ti, now = self._context["ti"], datetime.now(timezone.utc)
        first_try = ti.max_tries - (ti.task.retries or 0)
        kept = self.recall(_WINDOW) or {}
        if kept.get("first_try") == first_try:
            return datetime.fromisoformat(kept["start"])
        start: datetime = now if self._store is not None else self._context["dag_run"].start_date or now
        self.keep(_WINDOW, {"first_try": first_try, "start": start.isoformat()})
        return start
