"""The operator that creates or deletes the infrastructure of the commands of a run, such as a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from ai.starlake.airflow.operators.starlake_operator import InterruptibleOperator

if TYPE_CHECKING:
    from ai.starlake.executor.remote.remote_executor import RemoteExecutor
    from ai.starlake.orchestration.command_runs.command_runner import CommandRunner


class StarlakeInfrastructureOperator(InterruptibleOperator):
    """Creates or deletes the infrastructure of a DAG run.

    Its name depends on the DAG run alone, and is computed when the task runs: every task of the run computes the same
    one.

    Args:
        runner: The runner of the step.
        maker: Returns the executor that creates and deletes it, in the process that runs the task.
        noun: Name of the infrastructure, such as ``cluster``.
        deletes: True to delete it instead of creating it.
        **kwargs: Arguments of every operator.
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
        """Create or delete it.

        Returns:
            The name of the created infrastructure; None otherwise.

        Raises:
            AirflowException: If that fails.
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
