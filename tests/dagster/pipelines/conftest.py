"""Pipelines whose commands are recorded instead of run, in the process of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, ExecuteInProcessResult, JobDefinition

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import StarlakeDagsterJob
from ai.starlake.dagster.pipelines import DagsterOrchestration, DagsterPipeline
from ai.starlake.dagster.pipelines.job_steps import graph_of
from ai.starlake.executor.protocol import Execution, StarlakeExecutor, StarlakeResult
from ai.starlake.job import JobOptions, StarlakeCommand, StarlakeSparkConfig
from ai.starlake.orchestration import StarlakeDependencies, StarlakeDomain, StarlakeSchedule, StarlakeTable


@dataclass
class Recorder:
    """An executor that notes down what it is to run. Commands about a table in `failing` fail."""

    commands: list[StarlakeCommand] = field(default_factory=list)
    spark_configs: list[StarlakeSparkConfig | None] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        self.commands.append(command)
        self.spark_configs.append(execution.spark_config)
        if self.failing & set(command.arguments):
            raise StarlakeError(f"{command.verb} is told to fail")
        return StarlakeResult(0.0)

    @property
    def shown(self) -> list[str]:
        """The commands as one text each, without their dates."""
        return [" ".join(_without_dates(command.argv)) for command in self.commands]


def _without_dates(argv: tuple[str, ...]) -> list[str]:
    texts = list(argv)
    if "--scheduledDate" in texts:
        at = texts.index("--scheduledDate")
        del texts[at : at + 2]
    return texts


class RecordedJob(StarlakeDagsterJob[JobOptions]):
    """A job whose commands a recorder takes."""

    recorder: Recorder

    def make_executor(self) -> StarlakeExecutor:
        return self.recorder


@dataclass
class Module:
    """Stands for a generated file: a job, and the variables of the module."""

    job: RecordedJob
    variables: dict[str, Any]

    @contextmanager
    def orchestration(self) -> Iterator[DagsterOrchestration]:
        with DagsterOrchestration(self.job, caller_globals=self.variables) as orchestration:
            assert isinstance(orchestration, DagsterOrchestration)
            yield orchestration

    @contextmanager
    def pipeline(
        self, schedule: StarlakeSchedule | None = None, dependencies: StarlakeDependencies | None = None
    ) -> Iterator[DagsterPipeline]:
        """Yield a pipeline of its own; `schedule` is by default one of table ``sales.orders``."""
        if schedule is None and dependencies is None:
            schedule = schedule_of({"sales": ["orders"]})
        with self.orchestration() as orchestration, orchestration.sl_create_pipeline(schedule, dependencies) as made:
            assert isinstance(made, DagsterPipeline)
            yield made


def schedule_of(domains: dict[str, list[str]], name: str | None = None, cron: str | None = None) -> StarlakeSchedule:
    return StarlakeSchedule(
        name, cron, [StarlakeDomain(d, d, [StarlakeTable(table) for table in tables]) for d, tables in domains.items()]
    )


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def make_module(tmp_path: Path, recorder: Recorder) -> Callable[..., Module]:
    """Return a function that makes a module for a generated file of some options; `variables` has its variables."""
    for domain in ("sales", "crm"):
        (tmp_path / "datasets" / "pending" / domain).mkdir(parents=True)

    def make(filename: str = "sales_load.py", variables: dict[str, Any] | None = None, **options: Any) -> Module:
        job = RecordedJob(options={"sl_env_var": {"SL_ROOT": str(tmp_path)}, **options}, filename=filename)
        job.recorder = recorder
        return Module(job, {} if variables is None else variables)

    return make


@pytest.fixture
def pending(tmp_path: Path) -> Callable[[str], None]:
    """Return a function that puts a file into the pending area of a domain."""

    def put(domain: str) -> None:
        folder = tmp_path / "datasets" / "pending" / domain
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "orders.csv").write_text("id\n1\n")

    return put


@pytest.fixture
def schedule() -> Callable[..., StarlakeSchedule]:
    """Return a function that makes schedules: of tables by domain."""
    return schedule_of


@pytest.fixture
def run(instance: DagsterInstance) -> Callable[..., ExecuteInProcessResult]:
    """Return a function that runs a job to its end, whatever comes of it."""

    def run(job: JobDefinition, **kwargs: Any) -> ExecuteInProcessResult:
        return job.execute_in_process(instance=instance, raise_on_error=False, **kwargs)

    return run


@pytest.fixture
def edges() -> Callable[[DagsterPipeline], set[str]]:
    """Return the pairs of consecutive steps, as ``one >> other``."""
    return lambda pipeline: {f"{before} >> {after}" for before, after in graph_of(pipeline.dag).edges}


@pytest.fixture
def outcome() -> Callable[[ExecuteInProcessResult], dict[str, str]]:
    """Return the outcome of each step, in the order of their end: ``success``, ``skipped`` or ``failure``."""

    def outcome(result: ExecuteInProcessResult) -> dict[str, str]:
        kinds = {"STEP_SUCCESS": "success", "STEP_SKIPPED": "skipped", "STEP_FAILURE": "failure"}
        return {
            str(event.step_key): kinds[event.event_type_value]
            for event in result.all_events
            if event.event_type_value in kinds
        }

    return outcome
