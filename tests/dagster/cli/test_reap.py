"""The command line `starlake-dagster`, and what its command `gcp reap` removes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from ai.starlake.common.option_values import seconds
from ai.starlake.dagster.cli import main
from ai.starlake.executor import Execution
from ai.starlake.gcp.cloud_run.backend import CloudRunBackend, CloudRunExecutor
from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
from ai.starlake.gcp.dataproc.backend import DataprocExecutor
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.job import StarlakeCommand
from starlake_gcp_emulator import GcpEmulator

PROJECT, REGION = "my-project", "europe-west1"


class Silent:
    def output(self, stream, line): ...
    def info(self, message): ...
    def warning(self, message): ...


@pytest.fixture
def gcp(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcpEmulator]:
    for name in ("DAGSTER_HOME", "GOOGLE_CLOUD_PROJECT", "GCP_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    with GcpEmulator(["/bin/sh", "-c", "exec sleep 600"], speed=3000, grace=1) as emulator:
        emulator.add_job(f"projects/{PROJECT}/locations/{REGION}/jobs/starlake", max_retries=0)
        yield emulator


@pytest.fixture
def home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    """Yield a Dagster instance as DAGSTER_HOME names it."""
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with DagsterInstance.get() as instance:
        yield instance


def add_run(instance, status, **more):
    run = DagsterRun(job_name="sales", status=status, **more)
    instance.add_run(run)
    return run.run_id


@pytest.fixture
def leave(gcp, monkeypatch):
    """Leaves the things of a run on Google Cloud, as a process does that is killed."""
    shared = {"poll_interval": 0.02, "storage_endpoint": gcp.storage_endpoint}

    def dataproc(run_id):
        options = {
            **shared,
            "dataproc_project_id": PROJECT,
            "spark_bucket": "b",
            "spark_jar_list": "gs://b/x.jar",
            "dataproc_endpoint": gcp.endpoint,
        }
        executor = DataprocExecutor(DataprocOptions.read(options))
        return executor.ensure(Execution(run_id, "create", Silent(), job_name="sales"))

    def execution(run_id, step="load_sales"):
        options = {
            **shared,
            "cloud_run_project_id": PROJECT,
            "cloud_run_job_name": "starlake",
            "cloud_run_endpoint": gcp.endpoint,
        }

        class Killed(BaseException):
            pass

        class Watcher(Silent):
            def info(self, message):
                if "its log" in message:
                    raise Killed

        executor = CloudRunExecutor(CloudRunOptions.read(options))
        monkeypatch.setattr(CloudRunBackend, "cancel", lambda *_: None)  # who is killed cancels nothing
        with pytest.raises(Killed):
            executor.run(StarlakeCommand("load"), Execution(run_id, step, Watcher()))
        return gcp.executions[-1].name.rpartition("/")[2]

    return {"dataproc": dataproc, "cloud_run": execution}


@pytest.fixture
def reap(gcp):
    def call(*arguments, code=0, project=PROJECT):
        where = ["--dataproc-endpoint", gcp.endpoint, "--cloud-run-endpoint", gcp.endpoint]
        chosen = ["--project", project] if project else []
        result = CliRunner().invoke(main, ["gcp", "reap", *chosen, *where, *arguments])
        assert result.exit_code == code, result.output
        return result

    return call


def row_of(result, name):
    return next(line for line in result.output.splitlines() if name in line)


class TestReap:
    def test_what_runs_that_are_over_left_is_removed(self, gcp, leave, reap, home):
        over, active = (add_run(home, status) for status in (DagsterRunStatus.FAILURE, DagsterRunStatus.STARTED))
        gone, kept = leave["dataproc"](over), leave["dataproc"](active)
        execution = leave["cloud_run"](over)
        result = reap("--older-than", "0")
        assert "its run is over" in row_of(result, gone)
        assert "removed" in row_of(result, gone)
        assert "its run is going on" in row_of(result, kept)
        assert "removed" in row_of(result, execution)
        gcp.wait_for(lambda gcp: list(gcp.clusters) == [kept])
        gcp.wait_for(lambda gcp: [(one.state, one.cancelled) for one in gcp.executions] == [("CANCELLED", 1)])

    def test_a_run_that_another_one_continues_is_not_over(self, gcp, leave, reap, home):
        over = add_run(home, DagsterRunStatus.FAILURE)
        add_run(home, DagsterRunStatus.STARTED, root_run_id=over, parent_run_id=over)
        name = leave["dataproc"](over)
        assert "its run is going on" in row_of(reap("--older-than", "0"), name)
        assert not gcp.calls("DeleteCluster")

    def test_a_dry_run_changes_nothing(self, gcp, leave, reap, home):
        name = leave["dataproc"](add_run(home, DagsterRunStatus.CANCELED))
        assert "would be removed" in row_of(reap("--dry-run", "--older-than", "0"), name)
        assert not gcp.calls("DeleteCluster")

    def test_names_are_whole_however_long_they_are(self, gcp, leave, reap):
        step = "a_domain_with_a_long_name.a_load_with_a_long_name." + "a_table_with_a_long_name" * 3
        name = leave["cloud_run"]("other-dagster", step)
        row = row_of(reap("--older-than", "0s"), name)
        assert step in row
        assert "…" not in row

    def test_what_is_young_stays(self, gcp, leave, reap, home):
        name = leave["dataproc"](add_run(home, DagsterRunStatus.FAILURE))
        assert "it is younger than 2 h" in row_of(reap(), name)
        assert not gcp.calls("DeleteCluster")

    def test_what_belongs_to_unknown_runs_stays_unless_asked_for(self, gcp, leave, reap):
        name = leave["dataproc"]("0b5e31d2-0000-4000-8000-000000000001")
        result = reap("--older-than", "0s")
        assert "DAGSTER_HOME is not set" in result.output
        assert "its run is not known here" in row_of(result, name)
        assert "removed" in row_of(reap("--older-than", "0s", "--unknown"), name)
        gcp.wait_for(lambda gcp: not gcp.clusters)

    def test_only_the_service_that_is_asked_for_is_called(self, gcp, reap):
        assert "nothing there" in reap("--service", "cloud-run").output
        assert {call.method for call in gcp.journal} == {"ListExecutions"}

    def test_each_region_is_looked_at(self, gcp, reap):
        reap("--service", "dataproc", "--region", "europe-west1", "--region", "us-east1")
        assert [call.request["region"] for call in gcp.calls("ListClusters")] == ["europe-west1", "us-east1"]

    def test_what_cannot_be_removed_is_said_and_counts(self, gcp, leave, reap):
        name = leave["dataproc"]("0b5e31d2-0000-4000-8000-000000000001")
        gcp.fault("DeleteCluster", "PERMISSION_DENIED")
        result = reap("--older-than", "0", "--unknown", code=1)
        assert "not removed" in row_of(result, name)

    def test_a_service_that_refuses_is_an_error_and_no_traceback(self, gcp, reap):
        gcp.fault("ListJobs", "PERMISSION_DENIED")
        result = reap(code=1)
        assert "dataproc.jobs.list" in result.output
        assert "Traceback" not in result.output

    def test_a_service_that_refuses_does_not_keep_the_other_from_being_cleaned(self, gcp, leave, reap, home):
        run_id = add_run(home, DagsterRunStatus.FAILURE)
        name = leave["dataproc"](run_id)
        gcp.fault("ListJobs", "PERMISSION_DENIED")
        result = reap("--older-than", "0s", code=1)
        assert "removed" in row_of(result, name)
        assert "dataproc.jobs.list" in result.output

    def test_without_a_project_it_says_what_to_set(self, reap):
        assert "GOOGLE_CLOUD_PROJECT" in reap(project=None, code=1).output

    @pytest.mark.parametrize("text", ["soon", "-1h", "2w", ""])
    def test_a_bad_duration_is_explained(self, reap, text):
        assert "write 90s, 15m, 2h or 1d" in reap("--older-than", text, code=2).output

    @pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("15m", 900), ("1.5h", 5400), ("1d", 86400), ("7", 7)])
    def test_durations(self, text, expected):
        assert seconds(None, None, text) == expected

    def test_the_age_is_that_of_the_thing(self, gcp, leave, reap, home):
        name = leave["dataproc"](add_run(home, DagsterRunStatus.FAILURE))
        (cluster,) = gcp.all_clusters
        assert abs(cluster.created - datetime.now(timezone.utc).timestamp()) < 60
        assert " s " in row_of(reap(), name)


class TestCommandLine:
    def test_the_help_teaches(self):
        text = CliRunner().invoke(main, ["gcp", "reap", "--help"]).stdout
        assert "starlake-dagster gcp reap --project my-project --dry-run" in text
        assert "[default: 2h]" in text
        assert "reap" in CliRunner().invoke(main, ["gcp", "-h"]).stdout
        assert "gcp" in CliRunner().invoke(main, []).output

    def test_commands_are_imported_when_they_are_asked_for(self):
        program = (
            "import sys\nfrom ai.starlake.dagster.cli import main\n"
            "modules = [name for name in sys.modules if name.startswith('ai.starlake.dagster.cli.')]\n"
            "sys.exit(modules != [] or 'google' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

    def test_it_is_installed(self):
        command = Path(sys.executable).with_name("starlake-dagster")
        done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
        assert "gcp" in done.stdout
