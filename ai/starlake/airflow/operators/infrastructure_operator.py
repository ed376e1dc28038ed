"""The operator that makes or deletes what the commands of a run need, such as a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from ai.starlake.airflow.operators.starlake_operator import InterruptibleOperator

if TYPE_CHECKING:
    from ai.starlake.executor.remote.remote_executor import RemoteExecutor
    from ai.starlake.orchestration.command_runs.command_runner import CommandRunner


class StarlakeInfrastructureOperator(InterruptibleOperator):
    """Make or delete what the commands of a DAG run run on.

    Its name depends on the DAG run alone, and is found when the task runs: every task of the run comes to the same one.

    Args:
        runner: Knows the step.
        maker: Returns what makes and deletes it, in the process that runs the task.
        noun: What it is called, such as ``cluster``.
        deletes: Whether it is deleted rather than made.
        **kwargs: What every operator takes.
    """

    template_fields: Sequence[str] = ()
    shallow_copy_attrs: Sequence[str] = ("runner", "maker")
    ui_color = "#e8e0f4"

    def __init__(
        self,
        *,
        runner: CommandRunner,
        maker: Callable[[], RemoteExecutor],
        noun: str,
        deletes: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.runner = runner
        self.maker = maker
        self.noun = noun
        self.deletes = deletes

    def execute(self, context: Context) -> str | None:
        """Make or delete it.

        Returns:
            The name of what was made; None otherwise.

        Raises:
            AirflowException: If that cannot be done.
        """
        from ai.starlake.airflow.task_runs.airflow_step import AirflowStep

        step = AirflowStep(context, self.log)
        with self.interruptible():
            if step.is_dry_run:
                step.info(f"dry run: no {self.noun} is {'deleted' if self.deletes else 'created'}")
                return None
            owner, execution = self.maker(), step.execution()
            if not self.deletes:
                return owner.ensure(execution)
            step.info(
                f"the {self.noun} is deleted" if owner.delete(execution) else f"there is no {self.noun} to delete"
            )
        return None
