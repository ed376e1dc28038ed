"""Operators that run no command: they order others, and decide whether what comes after them runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException


class StarlakeOrderingOperator(EmptyOperator):
    """Do nothing but order others. The scheduler marks it as done; no worker runs it."""

    ui_color = "#f4f4f4"


class StarlakeSkipOperator(BaseOperator):
    """Skip itself, and so all that comes after it with the trigger rule ``all_success``, when a check found nothing.

    Args:
        check_id: The task of the pre-load check. Its XCom ``return_value`` is true if there is something to load.
        **kwargs: What every operator takes.
    """

    ui_color = "#f4f4f4"

    def __init__(self, *, check_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check_id = check_id

    def execute(self, context: Context) -> None:
        """Skip if the check has found nothing."""
        if not context["ti"].xcom_pull(task_ids=self.check_id):
            raise AirflowSkipException(f"{self.check_id} found nothing to load")


class StarlakeEndOperator(BaseOperator):
    """Come after all other tasks, and record the run of the pipeline as an event of its outlets.

    It is skipped, without an event, when no task before it has recorded one: when there was nothing to load.
    """

    ui_color = "#f4f4f4"

    def execute(self, context: Context) -> None:
        """Skip if nothing was loaded or transformed in this run."""
        if self.outlets and not self._has_work(context):
            raise AirflowSkipException("nothing was loaded or transformed in this run")

    def _has_work(self, context: Context) -> bool:
        working = {task.task_id for task in self.get_flat_relatives(upstream=True) if task.outlets}
        return bool(working & succeeded(context))


def succeeded(context: Context) -> set[str]:
    """Return the names of the tasks of the run that have succeeded so far."""
    ti: Any = context["ti"]
    states: Mapping[str, Mapping[str, str]] = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
    return {task for task, state in states.get(ti.run_id, {}).items() if state == "success"}
