"""Commands of a run without running it: no Airflow database is needed, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from ai.starlake.airflow.operators.starlake_operator import StarlakeOperator
from ai.starlake.common import StarlakeError
from ai.starlake.executor.protocol import Execution
from ai.starlake.job import StarlakeSparkConfig
from ai.starlake.job.sections import options_of
from ai.starlake.orchestration.command_runs.command_runner import DRY_RUN
from ai.starlake.orchestration.command_runs.pre_load_decision import PreLoadDecision
from ai.starlake.orchestration.dates.run_dates import RunDates
from ai.starlake.orchestration.pipeline_runs import RunDate, Step, StepState

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from ai.starlake.executor.protocol import Stream


class _Silence:
    """Ignores the messages of an executor; nothing runs."""

    def output(self, stream: Stream, line: str) -> None:
        """Ignore a line."""

    def info(self, message: str) -> None:
        """Ignore a message."""

    def warning(self, message: str) -> None:
        """Ignore a warning."""


@dataclass
class DryStep:
    """A step that only collects its commands; see `RunStep`.

    Args:
        task_id: The id of the task.
        run_date: The date of the run.
        substitutions: The options of the run.
        messages: The collected messages.
    """

    task_id: str
    run_date: RunDate
    substitutions: Mapping[str, Any]
    messages: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Id of the task, without those of its groups."""
        return self.task_id.rpartition(".")[2]

    @property
    def is_dry_run(self) -> bool:
        """True: it runs nothing."""
        return True

    @property
    def commands(self) -> tuple[str, ...]:
        """Commands that it would run; secrets masked."""
        return tuple(text.removeprefix(DRY_RUN) for text in self.messages if text.startswith(DRY_RUN))

    def dates(self, zone: tzinfo) -> RunDates:
        """Return the dates of the run."""
        return RunDates(self.run_date.logical.astimezone(zone), self.run_date.interval)

    def options(self, names: Iterable[str]) -> dict[str, str]:
        """Return the options of the run for some names."""
        return options_of(self.substitutions, names)

    def execution(self, spark_config: StarlakeSparkConfig | None = None, *, outcomes: bool = False) -> Execution:
        """Return an execution that reports nothing: no command is run."""
        return Execution("dry-run", self.task_id, _Silence(), spark_config=spark_config, outcomes=outcomes)

    def info(self, message: str) -> None:
        """Keep a message."""
        self.messages.append(message)


def planned(dag: DAG, run_date: RunDate, substitutions: Mapping[str, Any]) -> list[Step]:
    """Return the steps of a DAG in their order, each with its commands.

    Args:
        dag: The DAG.
        run_date: The date of the run.
        substitutions: The options of the run.
    """
    steps: dict[str, Step] = {}
    for task in dag.topological_sort():
        name = str(task.node_id)
        before = (steps[each] for each in task.upstream_task_ids if each in steps)
        if any(step.state is not StepState.PLANNED and step.state is not StepState.SUCCEEDED for step in before):
            steps[name] = Step(name, StepState.SKIPPED, detail="not reached")
            continue
        step = DryStep(name, run_date, substitutions)
        try:
            _plan(task, step)
        except StarlakeError as error:
            steps[name] = Step(name, StepState.FAILED, detail=str(error))
            continue
        state = StepState.PLANNED if step.commands else StepState.SUCCEEDED
        steps[name] = Step(name, state, commands=step.commands, detail="; ".join(step.messages[:1]))
    return list(steps.values())


def _plan(task: Any, step: DryStep) -> None:
    check = getattr(task, "check", None)
    if isinstance(task, StarlakeOperator):
        task.runner.run(task.command, task.name, step, task.spark_config)
    elif check is not None:
        PreLoadDecision(task.runner.settings, task.runner.executor, check, task.domain).is_dry_run(step)
