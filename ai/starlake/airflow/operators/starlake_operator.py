"""The operator that runs a command of Starlake."""

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
    """Base of the operators that end what they have started when Airflow ends their task."""

    _block: InterruptibleBlock | None = None

    def on_kill(self) -> None:
        """End what runs: Airflow calls this when it ends the task, in the middle of `execute`."""
        if self._block is None:
            self._block = InterruptibleBlock()
        self._block.interrupt()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let `on_kill` end a block.

        Raises:
            AirflowFailException: If it raises a `StarlakeError`, and trying again does not help.
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
    """Run one command of Starlake on an executor.

    Nothing of it is a template: neither its arguments nor its environment are rendered, shown in the UI or kept in the
    database of Airflow. Its XCom says what it made, in numbers; there is none when it made nothing, in a dry run or
    when there was no file to load, and then its outlets have no event.

    Args:
        runner: Runs the command.
        command: The command.
        name: The Starlake name of what it works on.
        spark_config: What the Spark job may use.
        **kwargs: What every operator takes.
    """

    template_fields: Sequence[str] = ()
    operator_extra_links = (StarlakeLogLink(),)
    ui_color = "#e3ecf9"
    log_url: str | None = None
    """Where the log of the command can be read, once it is known; None for one that ran here."""

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
        """The Starlake name of what the command works on, which a section of a run's options may have."""
        return self.name

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Run the command.

        Returns:
            What it made, in numbers; None when it made nothing.

        Raises:
            AirflowFailException: If it fails, and trying again does not help.
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
    """Return an error as Airflow heeds it: it retries the task, if it has retries left, only where that may help."""
    from ai.starlake.orchestration.command_runs.retrying import may_retry

    return (AirflowException if may_retry(error) else AirflowFailException)(str(error))
