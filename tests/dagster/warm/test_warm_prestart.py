"""Servers start ahead of loads: beside what runs before them, and only in runs that load."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import ExecuteInProcessResult, In, job, materialize

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.shell import ShellOptions
from ai.starlake.executor import Execution, StarlakeExecutor, StarlakeResult
from ai.starlake.job import JobOptions, StarlakeCommand
from tests.fakes.small_project import Project


class Prestarting:
    """A user's executor, which receives the commands to prestart."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.profiles: list[str | None] = []

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        self.told.append(f"run {command.verb}")
        return StarlakeResult(0)

    def prestart(self, command: StarlakeCommand, execution: Execution) -> None:
        assert execution.run_id
        self.told.append(f"prestart {command.verb}")
        self.profiles.append(command.compute.name if command.compute else None)


class PrestartingJob(StarlakeDagsterJob[ShellOptions]):
    """A job on it."""

    options_model: type[JobOptions] = ShellOptions

    def make_executor(self) -> StarlakeExecutor:
        return Prestarting()


COMPUTE = {"compute": {"small": {"process": {"nice": 1}}}, "compute_profile": "small"}


def pre_loaded(root: Path, *, dry: bool = False, **options: object) -> tuple[Prestarting, ExecuteInProcessResult]:
    sl_job = PrestartingJob("imported", {"sl_env_var": {"SL_ROOT": str(root)}, "warm": True, **options})
    start, pre_load = sl_job.dummy_op("start"), sl_job.sl_pre_load("starbake", ["Customers"])
    load = sl_job.sl_load(None, "starbake", "Customers", ins={"domain": In(str)})
    assert pre_load is not None

    @job
    def loading():
        ready, _skipped = pre_load(start())
        load(ready)

    result = loading.execute_in_process(tags={"starlake/dry_run": "true"} if dry else None)
    executor = sl_job.executor()
    assert isinstance(executor, Prestarting)
    return executor, result


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


class TestPreLoad:
    def test_the_server_starts_once_there_is_something_to_load(self, project):
        project.put("incoming")
        executor, result = pre_loaded(project.root, **COMPUTE)
        assert result.success
        assert executor.told == ["prestart load", "run stage", "run load"]
        assert executor.profiles == ["small"]

    def test_no_server_starts_where_there_is_nothing_to_load(self, project):
        (project.root / "incoming/starbake").mkdir(parents=True)
        executor, result = pre_loaded(project.root)
        assert result.success
        assert executor.told == []

    def test_no_server_starts_in_a_dry_run(self, project):
        project.put("incoming")
        executor, _ = pre_loaded(project.root, dry=True)
        assert executor.told == []

    def test_no_server_starts_without_the_option(self, project):
        project.put("incoming")
        executor, _ = pre_loaded(project.root, warm=False)
        assert executor.told == ["run stage", "run load"]


class TestAssets:
    @pytest.mark.parametrize(
        ("dry", "told"), [(False, ["prestart load", "run stage", "run load"]), (True, [])], ids=["run", "dry"]
    )
    def test_the_server_starts_before_anybody_looks_for_files(self, project, dry, told):
        project.put("incoming")
        sl_job = PrestartingJob(options={"sl_env_var": {"SL_ROOT": str(project.root)}, "warm": True})
        definitions = build_starlake_definitions(project.root, sl_job)
        tables = definitions.get_repository_def().assets_defs_by_key
        (customers,) = [made for key, made in tables.items() if key.path[-1] == "Customers"]
        tags = {"starlake/dry_run": "true"} if dry else None
        assert materialize([customers], tags=tags).success
        executor = sl_job.executor()
        assert isinstance(executor, Prestarting)
        assert executor.told == told
