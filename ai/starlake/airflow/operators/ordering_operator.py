"""Operators that run no command: they order others, and decide whether downstream tasks run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, Context, TaskInstanceState
from airflow.sdk.exceptions import AirflowSkipException

from ai.starlake.airflow.operators.starlake_operator import StarlakeOperator, failure_of
from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from ai.starlake.airflow.task_runs.start_decision import StartDecision

_COLOR = "#f4f4f4"


class StarlakeOrderingOperator(EmptyOperator):
    """Only orders other tasks. The scheduler marks it as successful; no worker runs it."""

    ui_color = _COLOR


class StarlakeStartOperator(BaseOperator):
    """The first task: it decides on the dates of the run, and whether a data-triggered run continues.

    The XComs ``sl_data_interval_start``, ``sl_data_interval_end`` and ``sl_logical_date`` contain the dates, if there
    are any. For the decision see `ai.starlake.airflow.task_runs.start_decision`. If the run does not continue, this
    task and all downstream tasks are skipped.

    Args:
        zone: The time zone of the pipeline.
        decision: Decides whether a data-triggered run continues; None for scheduled and manual runs.
        **kwargs: Arguments of every operator.
    """

    ui_color = _COLOR
    shallow_copy_attrs: Sequence[str] = ("decision",)

    def __init__(self, *, zone: str = "UTC", decision: StartDecision | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.zone = zone
        self.decision = decision

    def execute(self, context: Context) -> None:
        """Decide on the dates; skip the run, or wait, if it is not to continue now."""
        from ai.starlake.airflow.task_runs.task_dates import dates_of_task, decided_dates
        from ai.starlake.common import zone_of

        dates = self._decided(context)
        if dates is None:
            found = dates_of_task(context, zone_of(self.zone))
            dates = decided_dates(found.logical, found.interval)
        for key, value in dates.items():
            context["ti"].xcom_push(key=key, value=value)

    def execute_later(self, context: Context, event: Any = None) -> None:  # noqa: ARG002  the event of the trigger
        """Decide again, when the minimum time between two runs is over."""
        self.execute(context)

    def _decided(self, context: Context) -> dict[str, str] | None:
        """Return the dates of the run according to its triggering events; None for a run that no event triggered."""
        from ai.starlake.airflow.task_runs.start_decision import MEMORY, GoOn, NotBefore, Skip
        from ai.starlake.airflow.task_runs.task_dates import decided_dates

        if self.decision is None or not context.get("triggering_asset_events"):
            return None
        ti = context["ti"]
        kept = ti.xcom_pull(task_ids=self.task_id, key=MEMORY, include_prior_dates=True)
        outcome = self.decision.decide(context, kept, datetime.now(timezone.utc))
        if isinstance(outcome, NotBefore):
            self._wait_until(outcome.at)
        if isinstance(outcome, Skip):
            ti.xcom_push(key=MEMORY, value=outcome.kept)
            raise AirflowSkipException(outcome.reason)
        if not isinstance(outcome, GoOn):
            return None
        if outcome.left_out:
            earlier = ", ".join(each.isoformat() for each in outcome.left_out)
            self.log.warning("there is no run for the data of these earlier intervals: %s", earlier)
        ti.xcom_push(key=MEMORY, value=outcome.kept)
        return decided_dates(outcome.start.logical, outcome.start.interval)

    def _wait_until(self, at: datetime) -> None:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.log.info("the last run was launched recently: waiting until %s (min_timedelta_between_runs)", at)
        self.defer(trigger=DateTimeTrigger(moment=at), method_name="execute_later")


class StarlakeSkipOperator(BaseOperator):
    """Skips itself, and so all downstream tasks with the trigger rule ``all_success``, if a check found nothing.

    Args:
        check_id: The task of the pre-load check. Its XCom ``return_value`` is true if there is something to load; a
            check without one has not decided, which is a failure and never "nothing to load".
        **kwargs: Arguments of every operator.
    """

    ui_color = _COLOR

    def __init__(self, *, check_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check_id = check_id

    def execute(self, context: Context) -> None:
        """Skip if the check has found nothing.

        Raises:
            AirflowFailException: If the check has not decided: it failed, or was skipped or marked by hand.
        """
        found = context["ti"].xcom_pull(task_ids=self.check_id)
        if found is None:
            raise failure_of(_undecided(self.check_id))
        if not found:
            raise AirflowSkipException(f"{self.check_id} found nothing to load")


class StarlakeEndOperator(BaseOperator):
    """The last task: it records the run of the pipeline as an event of its outlets.

    It is skipped, without an event, if no task before it has recorded one: if there was nothing to load.

    Args:
        zone: The time zone of the pipeline.
        **kwargs: Arguments of every operator.
    """

    ui_color = _COLOR

    def __init__(self, *, zone: str = "UTC", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.zone = zone

    def execute(self, context: Context) -> None:
        """Record the dates of the run with the events; skip if nothing was loaded or transformed in it."""
        from ai.starlake.airflow.task_runs.asset_events import record_pipeline
        from ai.starlake.airflow.task_runs.task_dates import dates_of_task
        from ai.starlake.common import zone_of

        if not self.outlets:
            return
        if not self._has_work(context):
            raise AirflowSkipException("nothing was loaded or transformed in this run")
        record_pipeline(context, dates_of_task(cast("Mapping[str, Any]", context), zone_of(self.zone)))

    def _has_work(self, context: Context) -> bool:
        """Return True if a task before this one has recorded an event: one without an event pushes no XCom."""
        ti: Any = context["ti"]
        states: Mapping[str, Mapping[str, str]] = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
        done = {task_id for task_id, state in states.get(ti.run_id, {}).items() if state == TaskInstanceState.SUCCESS}
        before = sorted(self.get_flat_relatives(upstream=True), key=lambda task: task.task_id)
        return any(_has_recorded(task, done, ti) for task in before if task.outlets)


def _has_recorded(task: Any, done: Collection[str], ti: Any) -> bool:
    """Return True if a task, or an instance of a mapped one, has succeeded and recorded an event of its outlets.

    Args:
        task: The task.
        done: Successful tasks: ids of tasks, and of instances, with their numbers after an underscore.
        ti: Reads XComs.
    """
    kind = task.operator_class if task.is_mapped else type(task)
    tells = issubclass(kind, StarlakeOperator) and getattr(task, "do_xcom_push", True)
    numbers = [-1] if task.task_id in done else []
    if task.is_mapped:
        after = [each.removeprefix(f"{task.task_id}_") for each in done if each.startswith(f"{task.task_id}_")]
        numbers = [int(number) for number in after if number.isdecimal()]
    return any(not tells or _made(ti, task.task_id, number) for number in sorted(numbers))


def _made(ti: Any, task_id: str, number: int) -> bool:
    return ti.xcom_pull(task_ids=task_id, map_indexes=number) is not None


def _undecided(check_id: str) -> StarlakeError:
    error = StarlakeError(
        f"{check_id} has not decided whether there is something to load",
        cause="its XCom return_value has no value: it failed, or it was skipped or marked in the UI",
        fix=f"clear {check_id}, so that it decides",
    )
    error.permanent = True
    return error
