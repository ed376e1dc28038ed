"""An Airflow task, for runs of commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, cast

from ai.starlake.airflow.task_runs.run_conf import RunConf, options_of_task
from ai.starlake.airflow.task_runs.task_dates import dates_of_task
from ai.starlake.airflow.task_runs.task_report import AirflowReporter, TaskLog
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.executor.protocol import Execution
from ai.starlake.job import StarlakeSparkConfig
from ai.starlake.orchestration.dates.run_dates import RunDates

if TYPE_CHECKING:
    from airflow.sdk import Context

OVER = frozenset({"success", "failed"})
"""States of DAG runs that have ended."""
_BETWEEN = ":"
"""Separator between the id of a DAG, which cannot contain this character, and that of its run."""


@dataclass(frozen=True)
class AirflowStep:
    """A task instance that runs commands; see `RunStep`.

    Requests to Airflow's supervisor are made with interrupts delayed: an interrupted request would leave its answer to
    the next one.

    Args:
        context: The context of the task.
        log: The log of the task.
    """

    context: Context
    log: TaskLog
    _masked: set[str] = field(default_factory=set, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Id of the task."""
        return str(self._ti.task_id)

    @property
    def is_dry_run(self) -> bool:
        """True if commands are logged instead of run: ``dry_run`` in the configuration of the run."""
        return RunConf.of(self._values).is_dry_run

    def dates(self, zone: tzinfo) -> RunDates:
        """Return the dates of the run."""
        with interrupts_held():
            return dates_of_task(self._values, zone)

    def options(self, names: Iterable[str]) -> dict[str, str]:
        """Return the options of the run's configuration for some names."""
        return options_of_task(self._values, names)

    def execution(self, spark_config: StarlakeSparkConfig | None = None, *, outcomes: bool = False) -> Execution:
        """Return this attempt at the task, for executors.

        The try number grows with each retry, and each time a user clears the task: all but the first count as repeated,
        and search for what earlier ones left.
        """
        ti = self._ti
        return Execution(
            run_id=run_key(ti.dag_id, ti.run_id),
            step_key=step_key(ti.task_id, ti.map_index),
            report=AirflowReporter(self.log),
            attempt=max(ti.try_number - 1, 0),
            spark_config=spark_config,
            job_name=ti.dag_id,
            run_is_ending=self._run_is_ending,
            is_run_over=self._is_run_over,
            outcomes=outcomes,
            has_python_log=True,
            on_secrets=self.mask,
        )

    def info(self, message: str) -> None:
        """Log a message in the log of the task."""
        self.log.info(message)

    def mask(self, secrets: Collection[str]) -> None:
        """Let Airflow mask secrets, in this process and in that of its supervisor."""
        from airflow.sdk.log import mask_secret

        unknown = sorted(set(secrets) - self._masked)
        if unknown:
            self._masked.update(unknown)
            with interrupts_held():
                mask_secret(list(unknown))

    @property
    def _ti(self) -> Any:
        return self.context["ti"]

    @property
    def _values(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.context)

    def _run_is_ending(self) -> bool:
        ti = self._ti
        return self._state(ti.dag_id, ti.run_id) in OVER

    def _is_run_over(self, run_id: str) -> bool | None:
        dag_id, _, run = run_id.partition(_BETWEEN)
        if not run:
            return None
        try:
            state = self._state(dag_id, run)
        except Exception as error:  # noqa: BLE001  the error for a missing run differs between versions
            self.log.info(f"whether run {run_id} is over is not known: {error}")
            return None
        return state in OVER if state else None

    def _state(self, dag_id: str, run_id: str) -> str:
        with interrupts_held():
            return str(self._ti.get_dagrun_state(dag_id, run_id))


def run_key(dag_id: str, run_id: str) -> str:
    """Return a unique id of a DAG run across all DAGs."""
    return f"{dag_id}{_BETWEEN}{run_id}"


def step_key(task_id: str, map_index: int | None) -> str:
    """Return the key of a task instance in its run."""
    return task_id if map_index is None or map_index < 0 else f"{task_id}[{map_index}]"
