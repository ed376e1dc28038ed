"""The first partition of a table is made alone, by real processes that share an instance; the rest run side by side."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, DagsterRunStatus, materialize

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.fakes.fake_cli import FakeStarlake

SLEEP = 1.0
"""Seconds that each command takes."""
RUN = """
import sys
from dagster import DagsterInstance, materialize
from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.shell import StarlakeDagsterShellJob

project, cli, home, partition = sys.argv[1:]
job = StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": cli, "start_date": "2026-03-01", "duckdb_lock": "off"})
assets = list(build_starlake_definitions(project, job).assets)
with DagsterInstance.from_config(home) as instance:
    result = materialize(assets, partition_key=partition, instance=instance, raise_on_error=False)
    sys.exit(not result.success)
"""


@dataclass
class Place:
    """A project with a daily task, an instance, and a fake that takes its time."""

    project: Path
    home: Path
    fake: FakeStarlake

    def assets(self, **options):
        job = StarlakeDagsterShellJob(
            options={"SL_STARLAKE_PATH": str(self.fake), "start_date": "2026-03-01", "duckdb_lock": "off", **options}
        )
        return list(build_starlake_definitions(self.project, job).assets)

    def run(self, instance, partition, **options):
        return materialize(self.assets(**options), partition_key=partition, instance=instance, raise_on_error=False)

    def run_in_processes(self, count: int) -> list[int]:
        """Makes partitions, each in a process of its own; returns their exit codes."""
        arguments = [str(self.project), str(self.fake), str(self.home)]
        command = [sys.executable, "-W", "ignore", "-c", RUN, *arguments]
        started = [subprocess.Popen([*command, f"2026-03-0{day}"]) for day in range(1, count + 1)]
        return [process.wait() for process in started]

    def spans(self) -> list[tuple[float, float]]:
        """When each command ran, in their order."""
        return sorted((call.started, call.started + SLEEP) for call in self.fake.calls("transform"))


@pytest.fixture
def place(folder, tmp_path) -> Place:
    folder.task("kpi", "sales", "SELECT 1 AS a", "task:\n  schedule: daily\n")
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with DagsterInstance.from_config(str(home)) as made:  # SQLite's files can't be made by several processes at once
        made.get_dynamic_partitions("none")
        made.get_runs()
    fake = FakeStarlake(tmp_path / "bin")
    fake.behave("transform", sleep=SLEEP)
    return Place(folder.root, home, fake)


@pytest.fixture
def instance():
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.mark.slow
class TestProcesses:
    def test_the_first_runs_alone_and_the_rest_side_by_side(self, place):
        assert place.run_in_processes(4) == [0] * 4
        (_, end), *others = place.spans()
        assert len(others) == 3
        assert all(start >= end for start, _ in others)
        assert others[1][0] < others[0][1]

    def test_if_it_fails_the_next_one_is_alone(self, place):
        place.fake.behave("transform", sleep=SLEEP, exit_codes=(1, 0))
        assert sorted(place.run_in_processes(3)) == [0, 0, 1]
        spans = place.spans()
        assert len(spans) == 3
        assert spans[1][0] >= spans[0][1]
        assert spans[2][0] >= spans[1][1]


class TestLine:
    """The line that runs stand in, on an instance of the test."""

    name = "starlake/first_partition/kpi/sales"

    @staticmethod
    def other_run(instance, status: DagsterRunStatus) -> str:
        run = instance.create_run_for_job(_nothing(), status=status)
        return run.run_id

    def test_it_waits_for_a_run_that_goes_before_and_fails_in_time(self, place, instance):
        instance.add_dynamic_partitions(self.name, [self.other_run(instance, DagsterRunStatus.STARTED)])
        result = place.run(instance, "2026-03-01", first_partition_timeout=0.3)
        assert not result.success
        (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
        assert "kpi/sales was not made within 0.3 seconds" in failure.user_failure_data.description
        assert "first_partition_timeout" in failure.user_failure_data.description
        assert place.fake.calls() == []

    @pytest.mark.parametrize("status", [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED, DagsterRunStatus.SUCCESS])
    def test_the_place_of_a_run_that_has_ended_is_free(self, place, instance, status):
        place.fake.behave("transform")
        instance.add_dynamic_partitions(self.name, [self.other_run(instance, status), "a-run-that-was-deleted"])
        assert place.run(instance, "2026-03-01", first_partition_timeout=0.3).success
        assert instance.get_dynamic_partitions(self.name) == []

    def test_a_table_that_exists_is_not_waited_for(self, place, instance):
        place.fake.behave("transform")
        instance.report_runless_asset_event(AssetMaterialization(AssetKey(["kpi", "sales"]), partition="2026-03-01"))
        instance.add_dynamic_partitions(self.name, [self.other_run(instance, DagsterRunStatus.STARTED)])
        assert place.run(instance, "2026-03-02", first_partition_timeout=0.3).success

    def test_a_table_for_which_nothing_was_loaded_does_not_exist_yet(self, place, instance):
        instance.report_runless_asset_event(
            AssetMaterialization(
                AssetKey(["kpi", "sales"]), partition="2026-03-01", metadata={"starlake/nothing_to_load": True}
            )
        )
        instance.add_dynamic_partitions(self.name, [self.other_run(instance, DagsterRunStatus.STARTED)])
        assert not place.run(instance, "2026-03-02", first_partition_timeout=0.3).success

    def test_a_run_that_fails_gives_up_its_place(self, place, instance):
        place.fake.behave("transform", exit_codes=(1,))
        assert not place.run(instance, "2026-03-01").success
        assert instance.get_dynamic_partitions(self.name) == []

    def test_a_dry_run_does_not_wait(self, place, instance):
        instance.add_dynamic_partitions(self.name, [self.other_run(instance, DagsterRunStatus.STARTED)])
        result = materialize(
            place.assets(), partition_key="2026-03-01", instance=instance, tags={"starlake/dry_run": "true"}
        )
        assert result.success
        assert place.fake.calls() == []

    def test_what_has_no_partitions_does_not_stand_in_line(self, place, instance):
        place.fake.behave("transform")
        instance.add_dynamic_partitions(self.name, [self.other_run(instance, DagsterRunStatus.STARTED)])
        assets = place.assets(partitions="none", first_partition_timeout=0.3)
        assert materialize(assets, instance=instance).success


def _nothing():
    from dagster import job, op

    @op
    def nothing():
        pass

    @job
    def other():
        nothing()

    return other
