"""The operator that runs a Starlake command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from ai.starlake.airflow.log_link import StarlakeLogLink, keep_log
from ai.starlake.airflow.task_runs.task_ending import InterruptibleBlock, TaskEndedError
from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from ai.starlake.job import StarlakeCommand, StarlakeSparkConfig
    from ai.starlake.orchestration.command_runs.command_run import CommandRun
    from ai.starlake.orchestration.command_runs.command_runner import CommandRunner

_IN_XCOM = ("rows_read", "rows_accepted", "rows_rejected", "warnings", "duration", "remote_id", "log")
"""Facts of a command that other tasks may read, by their names in `CommandRun.facts`."""
ENDED = "Airflow ended the task before its command was done. The command has been ended, too."


class InterruptibleOperator(BaseOperator):
    """Base of the operators that end what they started when Airflow ends their task."""

    _block: InterruptibleBlock | None = None

    def on_kill(self) -> None:
        """End the running command: Airflow calls this when it ends the task, during `execute`."""
        if self._block is None:
            self._block = InterruptibleBlock()
        self._block.interrupt()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let `on_kill` end a block.

        Raises:
            AirflowFailException: If it raises a `StarlakeError`, and a retry does not help.
            AirflowException: If it raises any other `StarlakeError`, or is ended.
        """
        self._block = self._block or InterruptibleBlock()
        try:
            with self._block.opened():
                yield
        except TaskEndedError:
            raise AirflowException(ENDED) from None
        except StarlakeError as error:
            raise failure_of(error) from None
        finally:
            self._block = None  # a test may execute the same operator again


class StarlakeOperator(InterruptibleOperator):
    """Runs one Starlake command on an executor.

    It has no template fields: neither its arguments nor its environment are rendered, shown in the UI or stored in
    Airflow's database. Its XCom contains the counts of the command; there is none in a dry run or if there was no file
    to load, and then its outlets have no event.

    Args:
        runner: Runs the command.
        command: The command.
        name: The Starlake name of its table or task.
        spark_config: Resources of the Spark job.
        **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = ()
    operator_extra_links = (StarlakeLogLink(),)
    ui_color = "#e3ecf9"
    log_url: str | None = None
    """URL of the log of the command, once it is known; None for a local command."""

    def __init__(
        self,
        *,
        runner: CommandRunner,
        command: StarlakeCommand,
        name: str,
        spark_config: StarlakeSparkConfig | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.runner = runner
        self.command = command
        self.name = name
        self.spark_config = spark_config

    @property
    def subject(self) -> str:
        """Starlake name of the table or task of the command, for a section of a run's options."""
        return self.name

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Run the command.

        Returns:
            The counts of the command; None if it made nothing.

        Raises:
            AirflowFailException: If it fails, and a retry does not help.
            AirflowException: If it fails otherwise.
        """
        from ai.starlake.airflow.task_runs.asset_events import record

        run = self._run(context)
        record(context, run)
        keep_log(self, run.result.log_url if run else None)
        if run is None:
            return None
        if run.read_nothing:
            self.log.info(f"{run.summary}: there was no file, so that no asset event is recorded")
            return None
        (self.log.warning if run.is_remarkable else self.log.info)(run.summary)
        facts = run.facts()
        return {name: facts[name] for name in _IN_XCOM if name in facts}

    def _run(self, context: Context) -> CommandRun | None:
        from ai.starlake.airflow.task_runs.airflow_step import AirflowStep
        from ai.starlake.executor.protocol import CommandFailedError

        step = AirflowStep(context, self.log)
        with self.interruptible():
            try:
                return self.runner.run(self.command, self.name, step, self.spark_config)
            except StarlakeError as error:
                keep_log(self, error.log_url if isinstance(error, CommandFailedError) else None)
                raise


def failure_of(error: StarlakeError) -> AirflowException:
    """Return an error for Airflow: it retries the task, if it has retries left, only if that may help."""
    from ai.starlake.common.errors import may_retry

    return (AirflowException if may_retry(error) else AirflowFailException)(str(error))
