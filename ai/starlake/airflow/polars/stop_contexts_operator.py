"""The task that stops what killed tasks of its run have left on Polars Cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Context

from ai.starlake.airflow.operators.starlake_operator import InterruptibleOperator
from ai.starlake.common.secrets.secret_references import EnvironmentValue


class StopContextsOperator(InterruptibleOperator):
    """Stops the compute contexts of its run.

    Args:
        environments: The environments of commands, secrets as references: they define the workspaces and the service
            accounts of contexts.
        **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = ()
    shallow_copy_attrs: Sequence[str] = ("environments",)
    ui_color = "#e3ecf9"

    def __init__(self, *, environments: Sequence[Mapping[str, EnvironmentValue]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environments = environments

    def execute(self, context: Context) -> None:
        """Stop the contexts.

        Raises:
            AirflowException: If they cannot be listed or stopped.
        """
        from ai.starlake.airflow.task_runs.airflow_step import AirflowStep
        from ai.starlake.polars.leftover_contexts import ContextSweeper, accounts_of

        step = AirflowStep(context, self.log)
        with self.interruptible():
            stopped = ContextSweeper(accounts_of(self.environments)).sweep_run(step.execution().root, step.mask)
            step.info("\n".join(f"stopped the {each}" for each in stopped) or "no compute context was left")
