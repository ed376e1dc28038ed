"""Reports and outcomes of the tasks of a run while `DAG.test` runs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ai.starlake.airflow import _airflow_compat
from ai.starlake.orchestration.pipeline_runs import Listener, Step, StepState

_STATES = {"success": StepState.SUCCEEDED, "failed": StepState.FAILED}
_DETAILS = {"skipped": "nothing to do", "upstream_failed": "not reached", None: "not reached"}
_LONGEST_DETAIL = 2_000
_ROWS = ("rows_read", "rows_accepted", "rows_rejected")


class ToldSteps:
    """The steps of a run.

    Args:
        working: The names of those that load or transform.
        listener: Called for each step that starts.
    """

    def __init__(self, working: Collection[str], listener: Listener | None = None) -> None:
        self._working = working
        self._listener = listener
        self._errors: dict[str, str] = {}

    @contextmanager
    def by(self, tasks: Iterable[Any]) -> Iterator[None]:
        """Receive reports of tasks that run in this process."""
        before = [(task, task.on_execute_callback, task.on_failure_callback) for task in tasks]
        for task, begins, fails in before:
            task.on_execute_callback = [*begins, self._begins]
            task.on_failure_callback = [*fails, self._fails]
        try:
            yield
        finally:
            for task, begins, fails in before:
                task.on_execute_callback, task.on_failure_callback = begins, fails

    def ended(self, name: str, instance: Any) -> Step:
        """Return a step when the run has ended.

        Args:
            name: Its name.
            instance: The task instance; None outside of a run.
        """
        state = instance.state and str(instance.state) if instance is not None else None
        step = Step(
            name,
            _STATES.get(str(state), StepState.SKIPPED),
            seconds=instance.duration if instance is not None else None,
            detail=self._errors.get(name) or _DETAILS.get(state, ""),
            works=name in self._working,
            rows=_rows(instance) if name in self._working and state == "success" else None,
        )
        if self._listener:
            self._listener(step)
        return step

    def _begins(self, context: Any) -> None:
        if self._listener:
            name = context["ti"].task_id
            self._listener(Step(name, StepState.RUNNING, works=name in self._working))

    def _fails(self, context: Any) -> None:
        self._errors[context["ti"].task_id] = str(context.get("exception") or "the task failed")[:_LONGEST_DETAIL]


def _rows(instance: Any) -> tuple[int, int, int] | None:
    made = _airflow_compat.returned(instance)
    numbers = [made.get(name) for name in _ROWS] if isinstance(made, dict) else []
    known = [number for number in numbers if isinstance(number, int)]
    return (known[0], known[1], known[2]) if len(known) == len(_ROWS) else None
