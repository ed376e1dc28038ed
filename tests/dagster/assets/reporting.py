"""A job whose executor reports what a test says, and definitions that run on it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from dagster import AssetCheckKey, AssetKey, DagsterInstance, Definitions, JobDefinition

from ai.starlake.dagster import StarlakeProject, build_starlake_definitions
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.executor import CommandFailedError, StarlakeExecutor, StarlakeResult
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.job import JobOptions, StarlakeCommand
from tests.dagster.assets.conftest import Folder


@dataclass(frozen=True)
class TooBad:
    """A command that fails, with the outcomes of its tables."""

    tables: tuple[TableOutcome, ...]


Reports = Mapping[str, TableOutcome | StarlakeResult | TooBad]


class Reporting:
    """An executor that reports, by table or task, what it is given."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self.commands: list[str] = []

    def run(self, command: StarlakeCommand, _execution: object) -> StarlakeResult:
        """Report what a test says of the table or task of a command."""
        name = subject_of(command)
        self.commands.append(f"{command.verb} {name}")
        self.last = command
        report = self._reports[name]
        if isinstance(report, StarlakeResult):
            return report
        if isinstance(report, TooBad):
            errors = [table.error for table in report.tables if table.error]
            raise CommandFailedError(f"starlake {command.verb}", 1, errors, tables=report.tables)
        if report.error is not None:
            raise CommandFailedError(f"starlake {command.verb}", 1, [report.error], tables=[report])
        return StarlakeResult(0.1, counts=report.counts, tables=(report,))


def subject_of(command: StarlakeCommand) -> str:
    """Return the table or task of a command."""
    if command.verb == "replay":
        return f"replay {command.value_of('--domains')}"
    return command.value_of("--name") or f"{command.value_of('--domains')}.{command.value_of('--tables')}"


class ReportingJob(StarlakeDagsterJob[JobOptions]):
    """Runs commands on an executor that reports what it is given."""

    def __init__(self, reports: Reports, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options=dict(options or {}))
        self.reporting = Reporting(reports)

    def make_executor(self) -> StarlakeExecutor:
        return self.reporting


class Ran:
    """Events of a run of definitions."""

    def __init__(self, result, instance: DagsterInstance) -> None:
        self.materializations = [event.materialization for event in result.get_asset_materialization_events()]
        self.log = [entry.user_message for entry in instance.all_logs(result.run_id) if entry.dagster_event is None]
        self.success: bool = result.success
        self.run_id: str = result.run_id
        self.made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
        self.results = result.get_asset_check_evaluations()
        self.checks = {f"{each.asset_key.to_user_string()}:{each.check_name}": each for each in self.results}
        once = {(each.asset_key, each.check_name, getattr(each, "partition", None)) for each in self.results}
        assert len(once) == len(self.results), "a check has two results"
        failures = [event for event in result.all_events if event.is_step_failure]
        self.failure_metadata = {
            name: value
            for event in failures
            if event.step_failure_data.user_failure_data
            for name, value in event.step_failure_data.user_failure_data.metadata.items()
        }
        self.failure = "\n".join(event.step_failure_data.error.message for event in failures)


def run(
    definitions: Definitions,
    *,
    assets: list[str] | None = None,
    checks: list[str] | None = None,
    partition: str | None = None,
    instance: DagsterInstance | None = None,
    config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Ran:
    """Run assets and checks as the UI does: as a part of the job of all assets.

    Args:
        definitions: Where they are.
        assets: Which assets, ``domain/table``; all by default.
        checks: Which checks, ``domain/table:name``; all of the assets by default.
        partition: For which partition.
        instance: Where it is recorded.
        config: The configuration of the run.
        tags: The tags of the run.
    """
    job = job_of_all(definitions)
    if assets is not None or checks is not None:
        job = job.get_subset(
            asset_selection={AssetKey.from_user_string(each) for each in assets or ()},
            asset_check_selection=None if checks is None else {check_key(each) for each in checks},
        )
    with nullcontext(instance) if instance else DagsterInstance.ephemeral() as where:
        result = job.execute_in_process(
            run_config=config, instance=where, partition_key=partition, tags=tags, raise_on_error=False
        )
        return Ran(result, where)


def run_job(job: JobDefinition, instance: DagsterInstance) -> Ran:
    """Run a job."""
    return Ran(job.execute_in_process(instance=instance, raise_on_error=False), instance)


def job_of_all(definitions: Definitions):
    """Return the job that Dagster makes of all assets."""
    old = "get_implicit_global_asset_job_def"
    return getattr(definitions, "resolve_implicit_global_asset_job_def", getattr(definitions, old, None))()


def check_key(text: str) -> AssetCheckKey:
    """Return the key of a check: ``domain/table:name``."""
    asset, _, name = text.partition(":")
    return AssetCheckKey(AssetKey.from_user_string(asset), name)


def loaded(name: str, rows: int = 2, rejected: int = 0, *, files: bool = True, **more: Any) -> TableOutcome:
    """Return the outcome of a load."""
    return TableOutcome(name, StarlakeCounts(rows, rows - rejected, rejected, files=files), **more)


def definitions(
    folder: Folder, job: StarlakeDagsterJob[Any], *, project: StarlakeProject | None = None, **arguments: Any
) -> Definitions:
    """Return the definitions of a project on a job."""
    return build_starlake_definitions(project or folder.root, job, **arguments)
