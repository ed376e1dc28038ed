"""Executors keep their contract when a task of Airflow runs their commands."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException
from airflow.serialization.serialized_objects import DagSerialization

from ai.starlake.airflow.operators.starlake_operator import ENDED, StarlakeOperator
from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.executor import (
    Execution,
    ShellExecutor,
    StarlakeExecutor,
    StarlakeResult,
    TableOutcome,
)
from ai.starlake.executor.protocol import Reporter, Stream
from ai.starlake.job import JobOptions, StarlakeCommand
from ai.starlake.orchestration.command_runs.command_runner import CommandRunner
from ai.starlake.testing.executor_contract import SECRET, ContractBench, ExecutorContract
from tests.airflow.airflow_home import context_of
from tests.executor_contract import test_embedded as with_the_engine
from tests.waiting import interrupt_when

SETTINGS = JobOptions.read({"starlake_version": "1.5.0", "max_rejected": "100%"})
"""A version whose commands a run doesn't complete by a date: the contract compares them as they were given."""


@dataclass
class BothReports:
    """Passes messages to the bench and to the log of the task."""

    reports: tuple[Reporter, ...]

    def output(self, stream: Stream, line: str) -> None:
        for report in self.reports:
            report.output(stream, line)

    def info(self, message: str) -> None:
        for report in self.reports:
            report.info(message)

    def warning(self, message: str) -> None:
        for report in self.reports:
            report.warning(message)


@dataclass
class WithinATask:
    """An executor whose commands run as those of tasks do, by the operator and with the context of Airflow.

    Args:
        inner: The executor.
        seen: The attempts at tasks that reached it.
    """

    inner: Any
    seen: list[Execution] = field(default_factory=list)

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        task = _Task(self, execution)
        operator, context = task.operator(command)
        try:
            pushed = operator.execute(context)
        except AirflowException as failure:
            raise task.error_told_as(failure) from None
        assert task.result is not None
        assert SECRET not in str(pushed)
        assert (pushed is None) == bool(task.result.counts and task.result.counts.read_nothing)
        return task.result

    def check_tables(self, command: StarlakeCommand, execution: Execution) -> tuple[TableOutcome, ...]:
        tables: tuple[TableOutcome, ...] = self.inner.check_tables(command, execution)
        return tables


class _Task:
    """One task instance: what the executor is handed, and what becomes of it."""

    def __init__(self, way: WithinATask, execution: Execution) -> None:
        self._way = way
        self._given = execution
        self.result: StarlakeResult | None = None
        self.error: StarlakeError | None = None

    def error_told_as(self, failure: AirflowException) -> StarlakeError:
        """Return the error of the executor, which the failure of the task is to tell as it is."""
        assert self.error is not None, failure
        assert str(failure) == str(self.error)
        return self.error

    def operator(self, command: StarlakeCommand) -> tuple[StarlakeOperator, Any]:
        given = self._given
        task_id = sanitize_id(given.step_key)
        with DAG("contract", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
            StarlakeOperator(
                task_id=task_id, runner=CommandRunner(SETTINGS, lambda: self), command=command, name="contract.orders"
            )
        assert SECRET not in str(DagSerialization.to_dict(dag))
        context = context_of(dag, task_id, run_id=given.run_id, try_number=given.attempt + 1)
        operator = context["task"]
        assert isinstance(operator, StarlakeOperator)
        return operator, context

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        given = self._given
        self._way.seen.append(execution)
        # the results of a command on record are under the id that the contract knows
        execution = replace(
            execution,
            run_id=given.run_id,
            step_key=given.step_key,
            report=BothReports((given.report, execution.report)),
            outcomes=given.outcomes,
        )
        try:
            self.result = self._way.inner.run(command, execution)
        except StarlakeError as error:
            self.error = error
            raise
        assert self.result is not None
        return self.result


class TestShellExecutorInTasks(ExecutorContract):
    def make_executor(self, bench: ContractBench) -> StarlakeExecutor:
        return WithinATask(ShellExecutor(str(bench.starlake), facts=bench.facts))

    def test_a_try_is_an_attempt(self, bench: ContractBench, executor: WithinATask) -> None:
        command = bench.command("transform", "--name", "contract.probe")
        for attempt in (0, 1):
            executor.run(command, replace(bench.execution("a.b", attempt)))
        told = [(each.run_id, each.step_key, each.attempt, each.repeated, each.job_name) for each in executor.seen]
        run = f"contract:{bench.run_id}"
        assert told == [(run, "a_b", 0, False, "contract"), (run, "a_b", 1, True, "contract")]

    def test_the_command_of_a_task_that_airflow_ends_is_ended(
        self, bench: ContractBench, executor: WithinATask
    ) -> None:
        """Airflow's handler of SIGTERM calls `on_kill`, during `execute`."""
        bench.put("slow-1.csv", "id\n1\n")
        task = _Task(executor, bench.execution())
        operator, context = task.operator(bench.command("load", "--domains", "contract", "--tables", "slow"))
        handler = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())

        def runs() -> bool:
            return bool(bench.files("ingesting")) and self.is_running(bench)

        try:
            ended = pytest.raises(AirflowException, match="Airflow ended the task")
            with interrupt_when(runs, signal.SIGTERM), ended as failure:
                operator.execute(context)
        finally:
            signal.signal(signal.SIGTERM, handler)
        assert str(failure.value) == ENDED
        assert not self.is_running(bench)
        assert (bench.files("stage"), bench.files("ingesting")) == (["slow-1.csv"], [])


class TestEmbeddedExecutorInTasks(with_the_engine.TestEmbeddedExecutor):
    def make_executor(self, bench: ContractBench) -> StarlakeExecutor:
        return WithinATask(EmbeddedExecutor())
