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
from tests.waiting import PATIENCE, wait_for

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

    def start_processes(self, count: int) -> list[subprocess.Popen[bytes]]:
        """Make partitions, each in a process of its own."""
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        with DagsterInstance.from_config(str(self.home)) as made:  # SQLite's files can't be made by several at once
            made.get_dynamic_partitions("none")
            made.get_runs()
        arguments = [str(self.project), str(self.fake), str(self.home)]
        command = [sys.executable, "-W", "ignore", "-c", RUN, *arguments]
        return [subprocess.Popen([*command, f"2026-03-0{day}"]) for day in range(1, count + 1)]

    def behave(self, **told) -> Path:
        """Lets the commands that begin from now on take until a file exists; returns the file."""
        end = self.fake.folder / f"end of {len(self.fake.calls())}"
        self.fake.behave("transform", until=end, **told)
        return end

    def wait_for_line(self, length: int) -> None:
        """Wait until so many runs stand in line for the table."""
        with DagsterInstance.from_config(str(self.home)) as instance:
            wait_for(f"a line of {length}", lambda: len(instance.get_dynamic_partitions(TestLine.name)) == length)

    def wait_for_commands(self, number: int) -> None:
        """Wait until so many commands have begun."""
        wait_for(f"{number} command(s)", lambda: len(self.fake.calls("transform")) == number)


@pytest.fixture
def place(folder, tmp_path) -> Place:
    folder.task("kpi", "sales", "SELECT 1 AS a", "task:\n  schedule: daily\n")
    return Place(folder.root, tmp_path / "home", FakeStarlake(tmp_path / "bin"))


@pytest.mark.slow
class TestProcesses:
    def test_the_first_runs_alone_and_the_rest_side_by_side(self, place):
        end_of_first = place.behave()
        started = place.start_processes(4)
        place.wait_for_line(4)
        place.wait_for_commands(1)
        end_of_others = place.behave()
        end_of_first.touch()
        place.wait_for_commands(4)  # none of the three has ended
        end_of_others.touch()
        assert [process.wait(PATIENCE) for process in started] == [0] * 4

    def test_if_it_fails_the_next_one_is_alone(self, place):
        end_of_first = place.behave(exit_codes=(1,))
        started = place.start_processes(3)
        place.wait_for_line(3)
        place.wait_for_commands(1)
        end_of_second = place.behave()
        end_of_first.touch()
        place.wait_for_commands(2)
        place.wait_for_line(2)
        end_of_third = place.behave()
        end_of_second.touch()
        place.wait_for_commands(3)
        end_of_third.touch()
        assert sorted(process.wait(PATIENCE) for process in started) == [0, 0, 1]


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
