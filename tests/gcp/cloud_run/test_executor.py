from __future__ import annotations

import functools
import itertools
import json
import re
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage import Files
from ai.starlake.executor import CommandFailedError, RecoveryError
from ai.starlake.executor.notes import LoadNote, LoadNotes
from ai.starlake.executor.remote import RemoteTimeoutError, Search
from ai.starlake.executor.remote.progress import Progress
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.google_errors import GcpCallError, NotFoundError, PermissionDeniedError
from ai.starlake.gcp.cloud_run.backend import CloudRunJob
from ai.starlake.gcp.cloud_run.executions import Marker
from ai.starlake.job import EnvironmentReference
from ai.starlake.orchestration.project_reading import read_project


def shown(view, what):
    line = next(line for line in view.output if line.startswith(what))
    return json.loads(line.removeprefix(what))


def test_a_command_runs_with_its_arguments_and_its_environment(bench, executions):
    result = bench.run("load", "--domains", "sales", environment={"SL_ENV": "PROD"})
    (one,) = executions()
    assert (one.state, one.exit_code) == ("SUCCEEDED", 0)
    assert shown(one, "argv") == ["load", "--domains", "sales"]
    environment = shown(one, "env")
    assert environment["SL_ENV"] == "PROD"
    assert environment["SL_API"] == "true"
    assert environment["SL_JOB_ID"] == f"{bench.run_id}.load_orders"
    assert one.env["DAGSTER_STARLAKE_EXECUTION"] == f"{bench.run_id}/load_orders/0"
    assert result.remote_id == one.name
    assert result.exit_code == 0
    assert result.duration > 0


NASTY = ["a,b", "a b", 'say "x"', "it's", "$(id -u)", "${HOME} $PATH", "back\\slash", "--x=y,z=a", "äß€😀", "", "|^;^"]


def test_g01_values_reach_the_container_unchanged(bench, executions):
    """A comma, a blank, a quote or a dollar changes nothing, and there may be no variable at all."""
    bench.run("transform", *NASTY, environment={f"MY_{number}": value for number, value in enumerate(NASTY)})
    (one,) = executions()
    assert shown(one, "argv") == ["transform", *NASTY]
    environment = shown(one, "env")
    assert [environment[f"MY_{number}"] for number in range(len(NASTY))] == NASTY


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=15)
@given(arguments=st.lists(TEXTS, max_size=6), value=TEXTS)
def test_g01_any_text_reaches_the_container(bench, executions, arguments, value):
    bench.run("transform", *arguments, environment={"MY_TEXT": value})
    one = executions()[-1]
    assert shown(one, "argv") == ["transform", *arguments]
    assert shown(one, "env")["MY_TEXT"] == value


def test_g01_a_command_without_variables_runs(bench, executions):
    bench.run("transform", environment={})
    assert executions()[0].state == "SUCCEEDED"


@pytest.mark.parametrize("code", [1, 2, 126, 127, 137])
def test_g02_a_failure_is_a_failure_whatever_the_exit_code(bench, code):
    """A failed pre-load check is never a finding."""
    with pytest.raises(CommandFailedError) as caught:
        bench.run("preload", f"exit={code}")
    assert caught.value.exit_code == code
    assert caught.value.log_url
    assert caught.value.log_url in str(caught.value)


def test_a_command_that_the_system_ended_is_short_of_memory(bench):
    with pytest.raises(CommandFailedError, match="memory"):
        bench.run("transform", "exit=137")


def test_g02_a_missing_job_is_a_failure(bench):
    with pytest.raises(NotFoundError, match="start Cloud Run job nowhere"):
        bench.run("preload", cloud_run_job_name="nowhere")


def test_the_log_is_named_before_anybody_waits(bench):
    bench.run("transform")
    link = next(number for number, text in enumerate(bench.report.infos) if "its log: http" in text)
    page = "https://console.cloud.google.com/run/jobs/executions/details/europe-west1/starlake-job-"
    assert page in bench.report.infos[link]
    assert link < next(number for number, text in enumerate(bench.report.infos) if "succeeded" in text)


def test_an_execution_that_was_cancelled_is_a_failure(bench, gcp, executions):
    def cancel(message):
        if "running" in message:
            bench.clients().executions.cancel_execution(name=executions()[0].name)

    bench.report.on_info = cancel
    with pytest.raises(CommandFailedError, match="was cancelled"):
        bench.run("transform", "sleep=120")


def test_success_means_every_task(bench, gcp, executions):
    """The job has three tasks; a command of Starlake runs once nevertheless."""
    gcp.add_job(bench.job_name, tasks=3, max_retries=0)
    bench.run("transform")
    assert executions()[0].tasks == 1


def test_a_load_that_cloud_run_tried_again_is_no_success(bench, gcp, tmp_path):
    flag = tmp_path / "failed"
    script = f"import pathlib, sys; p = pathlib.Path({str(flag)!r}); sys.exit(0 if p.exists() else p.touch() or 1)"
    gcp.add_job(bench.job_name, command=[sys.executable, "-c", script], max_retries=3)
    with pytest.raises(CommandFailedError, match="max-retries 0"):
        bench.run("load", "--domains", "sales")
    assert "3 time(s)" in bench.report.everything()


def test_the_task_timeout_is_enforced_by_cloud_run(bench, executions, called):
    with pytest.raises(CommandFailedError):
        bench.run("transform", "sleep=120", cloud_run_task_timeout=1)
    assert executions()[0].state == "FAILED"
    assert executions()[0].cancelled == 0


def test_an_execution_that_does_not_end_in_time_is_cancelled(bench, gcp, executions):
    """Should the service not enforce its own limit."""
    minutes = itertools.count(0, 60)
    bench.calls = functools.partial(Calls, clock=lambda: next(minutes))
    with pytest.raises(RemoteTimeoutError, match="cancelled after 700 s"):
        bench.run("transform", "sleep=120", cloud_run_task_timeout=100)
    gcp.wait_for(lambda _: executions()[0].state == "CANCELLED")
    assert executions()[0].cancelled == 1


def test_the_end_is_noticed_at_once_by_one_long_request(bench, called):
    started = time.monotonic()
    bench.run("transform", "sleep=0.3", cloud_run_async=False, poll_interval=60)
    assert time.monotonic() - started < 59
    assert called().count("GetExecution") == 2
    assert called().count("WaitOperation") == 1


def test_looks_lie_an_interval_apart(bench, called):
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        time.sleep(seconds)

    bench.calls = partial(Calls, sleep=sleep)
    bench.run("transform", "sleep=0.5", cloud_run_async_poke_interval=0.2)
    assert called().count("GetExecution") == len(pauses) + 1
    assert all(0.1 < pause < 0.3 for pause in pauses)


PASSWORD = {"DB_PASSWORD": EnvironmentReference("THE_PASSWORD")}


def test_secrets_reach_the_container_and_no_message(bench, monkeypatch, executions):
    monkeypatch.setenv("THE_PASSWORD", "s3cr3t-value")
    with pytest.raises(CommandFailedError) as caught:
        bench.run(
            "load",
            "--options",
            "DB_PASSWORD=s3cr3t-value",
            "exit=1",
            environment={"DB_PASSWORD": EnvironmentReference("THE_PASSWORD")},
        )
    assert shown(executions()[0], "env")["DB_PASSWORD"] == "s3cr3t-value"
    assert "s3cr3t" not in bench.report.everything() + str(caught.value)


def test_a_secret_in_what_google_says_is_masked(bench, gcp, monkeypatch):
    monkeypatch.setenv("THE_PASSWORD", "s3cr3t-value")
    gcp.fault("RunJob", "INVALID_ARGUMENT", message="bad value s3cr3t-value")
    with pytest.raises(GcpCallError) as caught:
        bench.run("load", environment=PASSWORD)
    assert "bad value ***" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("method", "permission"),
    [("RunJob", "run.jobs.runWithOverrides"), ("GetExecution", "run.executions.get")],
)
def test_a_missing_permission_is_named(bench, gcp, method, permission):
    gcp.fault(method, "PERMISSION_DENIED")
    with pytest.raises(PermissionDeniedError, match=permission):
        bench.run("transform", "sleep=120")


class Facts:
    """The facts of a project whose areas are folders of the storage emulator."""

    def __init__(self, root, environment, files=None):
        self.files = files or Files()
        self.datasets = environment.get("SL_DATASETS", f"{root}/datasets")

    def table_pattern(self, domain, table):
        return re.compile(rf"{table}-.*\.csv")

    def area(self, name, domain):
        return f"{self.datasets}/{name}/{domain}"

    def duckdb_file(self, *_, **__):
        return None


LOAD = ("load", "--domains", "sales", "--tables", "orders")


def test_a_repeated_load_brings_back_its_files(bench, tmp_path):
    bench.facts = partial(Facts, files=bench.files)
    ingesting = tmp_path / "datasets" / "ingesting" / "sales"
    ingesting.mkdir(parents=True)
    (ingesting / "orders-1.csv").write_text("rows")
    bench.run(*LOAD, environment={"SL_ROOT": str(tmp_path)}, execution=bench.execution(attempt=1))
    assert (tmp_path / "datasets" / "stage" / "sales" / "orders-1.csv").read_text() == "rows"


@pytest.mark.parametrize("copy", [False, True])
def test_a_repeated_load_brings_back_its_files_on_gs(bench, put, tmp_path, copy):
    bench.facts = partial(Facts, files=bench.files)
    put("project", "datasets/ingesting/sales/orders-1.csv", "rows")
    extra = {"project_copy": str(tmp_path)} if copy else {}
    bench.run(*LOAD, environment={"SL_ROOT": "gs://project"}, execution=bench.execution(attempt=1), **extra)
    assert bench.files.location("gs://project/datasets/stage/sales").list_files() == ["orders-1.csv"]
    assert bench.files.location("gs://project/datasets/ingesting/sales").list_files() == []


JOB_NAME = "starlake-job"


class Interruption(BaseException):
    pass


@pytest.mark.parametrize("end", ["exit=1", "interrupted", "cancelled"])
def test_an_execution_that_does_not_succeed_gives_its_files_back_on_gs(bench, gcp, put, end):
    bench.facts, bucket = partial(Facts, files=bench.files), f"files-{end.replace('=', '-')}"
    put(bucket, "datasets/stage/sales/orders-1.csv", "rows")
    stage, ingesting = [bench.files.location(f"gs://{bucket}/datasets/{area}/sales") for area in ("stage", "ingesting")]

    def act(message):
        if not message.startswith("Cloud Run execution") or "its log" not in message:
            return
        stage.child("orders-1.csv").move_into(ingesting)
        if end == "interrupted":
            raise Interruption
        if end == "cancelled":
            job = CloudRunJob(Calls(bench.report, interval=0.02, tolerance=5), bench.clients(), JOB_NAME)
            (left,) = job.find(Search(root_run_id=bench.run_id))
            job.cancel(left)

    bench.report.on_info = act
    command = ("exit=1",) if end == "exit=1" else ("sleep=120",)
    with pytest.raises(Interruption if end == "interrupted" else CommandFailedError):
        bench.run(*LOAD, *command, environment={"SL_ROOT": f"gs://{bucket}"})
    assert (stage.list_files(), ingesting.list_files()) == (["orders-1.csv"], [])
    bench.fresh()
    bench.facts = partial(Facts, files=bench.files)
    bench.run(*LOAD, environment={"SL_ROOT": f"gs://{bucket}"})


def test_a_new_run_leaves_the_files_of_an_execution_that_runs_on_gs(bench, gcp, put):
    bench.facts = partial(Facts, files=bench.files)
    put("other-files", "datasets/ingesting/sales/orders-1.csv", "rows")
    name = bench.orphan(*LOAD, "sleep=60")
    killed = bench.execution()
    stage, ingesting = [
        bench.files.location(f"gs://other-files/datasets/{area}/sales") for area in ("stage", "ingesting")
    ]
    note = LoadNote.of(killed, killed.job_id, {"cloud_run": str(Marker.of(killed))})
    notes = LoadNotes(bench.files.location("gs://other-files/datasets/ingesting/.dagster/sales"))
    notes.write(replace(note, files=("orders-1.csv",), host="elsewhere"))
    bench.fresh()
    execution = bench.execution(is_run_over=lambda run: run == killed.run_id)
    bench.run(*LOAD, environment={"SL_ROOT": "gs://other-files"}, execution=execution)
    assert (stage.list_files(), ingesting.list_files()) == ([], ["orders-1.csv"])
    bench.clients().executions.cancel_execution(name=name).result()
    bench.run(*LOAD, environment={"SL_ROOT": "gs://other-files"}, execution=replace(execution, step_key="again"))
    assert (stage.list_files(), ingesting.list_files()) == (["orders-1.csv"], [])


def test_a_load_of_an_unknown_project_is_not_repeated(bench, executions):
    bench.facts = partial(Facts, files=bench.files)
    with pytest.raises(RecoveryError):
        bench.run(*LOAD, execution=bench.execution(attempt=1))
    assert executions() == []


def test_a_heartbeat_tells_that_it_goes_on(bench):
    now = [0.0]
    progress = Progress(bench.report, "x", clock=lambda: now[0])
    for second in range(0, 7300, 10):
        now[0] = second
        progress.see("running")
    assert len(bench.report.infos) == 1 + 7300 // 60
    assert bench.report.infos[-1].startswith("x: still running, after 2 h")
    progress.see("succeeded")
    assert bench.report.infos[-1] == "x: succeeded, after 2 h 1 min"


def test_the_region_has_two_names(bench):
    assert bench.settings(cloud_run_job_region="us-east1").region == "us-east1"
    assert bench.settings(cloud_run_region="us-east1").region == "us-east1"
    assert bench.settings().region == "europe-west1"
    with pytest.raises(StarlakeError, match="cloud_run_job_region"):
        bench.settings(cloud_run_region="us-east1", cloud_run_job_region="us-east2")


def test_the_delay_has_two_names(bench):
    assert bench.settings(retry_delay_in_seconds=7).retry_delay == 7
    assert bench.settings(retry_delay_in_seconds=7, retry_delay=8).retry_delay == 8


def test_the_job_must_be_named(bench):
    with pytest.raises(StarlakeError, match="option cloud_run_job_name is required"):
        bench.settings(cloud_run_job_name=None)


def test_two_names_of_a_scheme_are_one(bench, executions):
    bench.run("load", "--x", "gcs://b/x", environment={"SL_ROOT": "gcs://b/p", "SL_X": "see gcs://b"})
    (one,) = executions()
    assert shown(one, "argv") == ["load", "--x", "gs://b/x"]
    environment = shown(one, "env")
    assert (environment["SL_ROOT"], environment["SL_X"]) == ("gs://b/p", "see gcs://b")


def test_the_files_of_the_sample_project_come_back_on_gs(bench, put):
    """The project is inside the image; a copy of it is here."""
    sample = Path(__file__).resolve().parents[3] / "samples" / "starbake"
    bench.facts = partial(read_project, files=bench.files)
    put("sample", "p/datasets/ingesting/starbake/customers_1.csv", "rows")
    put("sample", "p/datasets/ingesting/starbake/something_else.txt", "rows")
    arguments = ("load", "--domains", "starbake", "--tables", "Customers")
    execution = bench.execution(attempt=1)
    bench.run(*arguments, environment={"SL_ROOT": "gs://sample/p"}, execution=execution, project_copy=str(sample))
    assert bench.files.location("gs://sample/p/datasets/stage/starbake").list_files() == ["customers_1.csv"]
    assert bench.files.location("gs://sample/p/datasets/ingesting/starbake").list_files() == ["something_else.txt"]
