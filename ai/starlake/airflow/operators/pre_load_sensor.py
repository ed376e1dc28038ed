"""The sensor that decides whether a domain is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, BaseSensorOperator, Context, SkipMixin, TriggerRule
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    TaskDeferralError,
)

from ai.starlake.airflow.operators.starlake_operator import ENDED, failure_of
from ai.starlake.airflow.task_runs.task_ending import InterruptibleBlock, TaskEndedError
from ai.starlake.common import StarlakeError
from ai.starlake.job import StarlakePreLoadStrategy

if TYPE_CHECKING:
    from ai.starlake.airflow.task_runs.airflow_step import AirflowStep
    from ai.starlake.airflow.task_runs.task_memory import TaskMemory
    from ai.starlake.orchestration.command_runs.command_runner import CommandRunner
    from ai.starlake.orchestration.command_runs.pre_load_decision import PreLoadDecision
    from ai.starlake.orchestration.preload.checks import PreLoadCheck
    from ai.starlake.orchestration.preload.waiting import PreLoadFinding

_FOUND = "starlake_found"
_GRACE = timedelta(minutes=10)
"""Delay after the trigger's timeout at which Airflow itself ends the wait, if no triggerer is running any more."""

_RULES_OF_ENDS = (TriggerRule.NONE_FAILED, TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS, TriggerRule.ALWAYS)
_OURS = {
    "soft_fail": "pre_load_sensor_soft_fail",
    "timeout": "pre_load_timeout",
    "poke_interval": "pre_load_poke_interval",
    "mode": "pre_load_deferrable",
    "never_fail": None,
    "silent_fail": None,
}


class StarlakePreLoadSensor(BaseSensorOperator, SkipMixin):
    """Decides whether a domain is loaded; waits until there is something to load, according to the options.

    Its XCom is true if there is something to load. If not, the tasks right after it are skipped, except teardowns and
    those with the trigger rule none_failed, none_failed_min_one_success or always, such as the end of the DAG. A check
    that fails is a failure, and never "nothing to load".

    It checks in the worker, waits in the triggerer, and checks in the worker again before it decides: an ack file is
    deleted there, once. A check by a command (`pre_load_check`) runs in a worker each time, and is rescheduled in
    between. All attempts of a task share one timeout.

    Args:
        runner: The runner, with the options and the executor.
        domain: The domain.
        tables: The tables whose files are considered; all of the domain if empty.
        strategy: The strategy; not ``none``.
        check: The check, in place of the one for the strategy and the options.
        deferrable: True if it waits in the triggerer; if not, the task is rescheduled. Neither takes a slot.
        **kwargs: Arguments of every operator.

    Raises:
        StarlakeError: If the version of Starlake in use does not support the check, or for an argument that options
            replace.
    """

    template_fields: Sequence[str] = ()
    shallow_copy_attrs: Sequence[str] = ("runner", "check")
    inherits_from_skipmixin = True
    ui_color = "#e6f1f2"
    _block: InterruptibleBlock | None = None

    def __init__(
        self,
        *,
        runner: CommandRunner,
        domain: str,
        tables: Iterable[str] = (),
        strategy: StarlakePreLoadStrategy | str = StarlakePreLoadStrategy.NONE,
        check: PreLoadCheck | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        from ai.starlake.orchestration.preload.checks import check_of
        from ai.starlake.orchestration.preload.waiting import Patience

        _refuse(domain, kwargs)
        self.strategy = StarlakePreLoadStrategy.of(strategy)
        if check is None and self.strategy is StarlakePreLoadStrategy.NONE:
            raise StarlakeError(f"there is no pre-load check of {domain} by the strategy none", fix="leave it out")
        self.tables = tuple(tables)
        self.check = check or check_of(runner.settings, domain, self.tables, self.strategy)
        patience = Patience.of(runner.settings, for_ack=self.check.for_ack)
        # by such arguments or DAG defaults, Airflow would skip instead of fail: a failed check decides nothing
        no_skips = {"soft_fail": False, "never_fail": False, "silent_fail": False}
        super().__init__(
            poke_interval=patience.interval, timeout=patience.timeout, mode="reschedule", **no_skips, **kwargs
        )
        self.do_xcom_push = True  # whatever the defaults of the DAG: downstream tasks read the decision
        self.runner = runner
        self.domain = domain
        self.deferrable = deferrable

    def execute(self, context: Context) -> bool:
        """Decide, or wait.

        Returns:
            True; if there is nothing to load, the tasks after this one are skipped instead.

        Raises:
            AirflowFailException: If there is nothing to load after the wait, and that is an error.
            AirflowException: If the check fails.
        """
        return self._decided(context, {})

    def look_again(self, context: Context, event: Mapping[str, Any] | None = None) -> bool:
        """Decide, or continue to wait, after the trigger has reported that there may be something; see `execute`."""
        return self._decided(context, event or {})

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after the wait; explain what to do if the triggerer could not wait."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, AirflowSensorTimeout) as error:
            raise failure_of(self._triggerer_failed(str(error))) from None

    def on_kill(self) -> None:
        """End the check: Airflow calls this when it ends the task, during `execute`.

        While the task is deferred there is nothing to end: its trigger holds no resources.
        """
        if self._block is None:
            self._block = InterruptibleBlock()
        self._block.interrupt()

    def _decided(self, context: Context, event: Mapping[str, Any]) -> bool:
        self._block = self._block or InterruptibleBlock()
        try:
            with self._block.opened():
                ready = self._decide(context, event)
        except TaskEndedError:
            raise AirflowException(ENDED) from None
        except StarlakeError as error:
            raise failure_of(error) from None
        finally:
            self._block = None
        if not ready:
            self._skip_what_follows(context)
        return ready

    def _decide(self, context: Context, event: Mapping[str, Any]) -> bool:
        from ai.starlake.airflow.task_runs.airflow_step import AirflowStep
        from ai.starlake.airflow.task_runs.task_memory import TaskMemory
        from ai.starlake.orchestration.command_runs.pre_load_decision import PreLoadDecision

        decision = PreLoadDecision(self.runner.settings, self.runner.executor, self.check, self.domain)
        step, memory = AirflowStep(context, self.log), TaskMemory(context)
        if decision.is_dry_run(step):
            return True
        found = _as_before(memory) or self._look(decision, step, memory)
        if not found.ready and decision.patience.timeout:
            if error := event.get("error"):
                raise self._triggerer_failed(error)
            deadline = memory.window_start() + timedelta(seconds=decision.patience.timeout)
            if deadline > datetime.now(timezone.utc):
                self._wait(decision, step, found, deadline)
            found = decision.patience.ended(found)
        return decision.conclude(step, found)

    def _look(self, decision: PreLoadDecision, step: AirflowStep, memory: TaskMemory) -> PreLoadFinding:
        """Check once, and remember the finding: an ack file is deleted by then, and files will be moved."""
        from ai.starlake.executor.process.interrupts import interrupts_held
        from ai.starlake.orchestration.preload.checks import Peeks

        if not isinstance(self.check, Peeks):  # a command, which can be interrupted
            found = decision.look(step)
            _remember(memory, found)
            return found
        with interrupts_held():
            found = decision.look(step)
            _remember(memory, found)
        return found

    def _wait(
        self, decision: PreLoadDecision, step: AirflowStep, found: PreLoadFinding, deadline: datetime
    ) -> NoReturn:
        from ai.starlake.orchestration.preload.checks import Peeks

        now, interval = datetime.now(timezone.utc), decision.patience.interval
        left = deadline - now
        step.info(f"waiting: {found.reason}; checking again for {left.total_seconds():.0f} s at most")
        if not (self.deferrable and isinstance(self.check, Peeks)):
            raise AirflowRescheduleException(min(deadline, now + timedelta(seconds=interval)))
        from ai.starlake.airflow.operators.pre_load_trigger import StarlakePreLoadTrigger
        from ai.starlake.orchestration.preload.pre_load_watch import PreLoadWatch

        logical = decision.dates(step).logical
        watch = PreLoadWatch(self.runner.settings, self.domain, self.tables, self.strategy, logical)
        trigger = StarlakePreLoadTrigger(watch.as_plain_data(), interval, deadline.isoformat())
        self.defer(trigger=trigger, method_name="look_again", timeout=left + _GRACE)

    def _skip_what_follows(self, context: Context) -> None:
        """Skip the tasks right after this one, and by their trigger rules the tasks after them."""
        ti: Any = context["ti"]
        ti.xcom_push(key="return_value", value=False)
        following = (task for task in self.get_direct_relatives(upstream=False) if isinstance(task, BaseOperator))
        skipped = [task for task in following if not task.is_teardown and task.trigger_rule not in _RULES_OF_ENDS]
        self.skip(ti=ti, tasks=skipped)

    def _triggerer_failed(self, error: str) -> StarlakeError:
        return StarlakeError(
            f"the triggerer could not wait until there is something to load of domain {self.domain}",
            cause=error,
            fix="give the triggerer the packages, the variables and the access to files that workers have, or set "
            "option pre_load_deferrable to false",
        )


def _as_before(memory: TaskMemory) -> PreLoadFinding | None:
    """Return the decision of an earlier attempt in this run, if it was ready; see `PreLoadDecision.decide`."""
    from ai.starlake.orchestration.preload.waiting import PreLoadFinding

    reason = memory.recall(_FOUND)
    return PreLoadFinding(ready=True, reason=f"an earlier try in this run found it ready: {reason}") if reason else None


def _remember(memory: TaskMemory, found: PreLoadFinding) -> None:
    if found.ready:
        memory.keep(_FOUND, found.reason)


def _refuse(domain: str, given: Mapping[str, Any]) -> None:
    """Refuse arguments of Airflow's sensors that options replace, or that turn a failure into a skip."""
    for name in sorted(set(given) & set(_OURS)):
        option = _OURS[name]
        raise StarlakeError(
            f"the argument {name} is not accepted by the pre-load check of {domain}",
            cause="its wait is set by options" if option else "a check that fails is never taken for nothing to load",
            fix=f"set option {option}" if option else "leave it out",
        )
