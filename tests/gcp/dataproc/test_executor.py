from __future__ import annotations

import json
import re
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import EnvironmentReference
from ai.starlake.common.storage import Files
from ai.starlake.executor import CommandFailedError, RecoveryError
from ai.starlake.executor.notes import LoadNote, LoadNotes
from ai.starlake.executor.remote import Handle, RemoteCommandFailedError, RemoteTimeoutError
from ai.starlake.gcp.client.google_errors import GcpCallError, PermissionDeniedError
from ai.starlake.gcp.exposed_secrets import ExposedSecretWarning
from ai.starlake.job import StarlakeSparkConfig
from tests.waiting import PATIENCE, meanwhile


class Interruption(BaseException):
    """An exception that the orchestrator raises at any time."""


def handle(job_id):
    return Handle(job_id, job_id)


def printed(bench, what: str):
    return json.loads(next(line for line in bench.report.lines if line.startswith(what)).partition(" ")[2])


def interrupt_at(bench, text: str) -> None:
    """Interrupt the step when the reporter receives a message."""

    def act(message):
        if text in message:
            bench.report.on_info = lambda _: None
            raise Interruption

    bench.report.on_info = act


def test_a_command_runs_as_a_spark_job_on_a_cluster_of_its_run(bench, gcp):
    execution = bench.execution()

    result = bench.executor().run(bench.load(), execution)

    assert (result.counts.input, result.counts.accepted, result.counts.rejected) == (3, 2, 1)
    [job] = gcp.spark_jobs
    assert job.state == "DONE"
    assert result.remote_id == job.name
    assert job.name in result.log_url
    [cluster] = gcp.all_clusters
    assert cluster.name == job.cluster
    assert cluster.labels["starlake-run-id"] == execution.run_id
    assert job.labels["starlake-step"] == "load_sales"


def test_the_arguments_arrive_unchanged(bench):
    odd = ["a b", "c,d", "$HOME", "`id`", '"q"', "é", "--x=1"]
    bench.executor().run(bench.load(*odd), bench.execution())
    assert printed(bench, "argv") == ["load", "--domains", "sales", "--tables", "orders", *odd]


def test_the_job_is_what_the_options_say(bench, gcp):
    executor = bench.executor(spark_jar_list="gcs://j/a.jar,gs://j/b.jar", spark_executor_memory="7g")
    executor.run(bench.load(), bench.execution())
    [call] = gcp.calls("SubmitJob")
    spark = call.request["job"]["spark_job"]
    assert spark["main_class"] == "ai.starlake.job.Main"
    assert spark["jar_file_uris"] == ["gs://j/a.jar", "gs://j/b.jar"]
    properties = gcp.spark_jobs[0].properties
    assert properties["spark.executor.memory"] == "7g"
    assert properties["spark.executor.cores"] == "4"
    assert properties["spark.executor.instances"] == "1"
    assert properties["spark.datasource.bigquery.temporaryGcsBucket"] == "my-bucket"


def test_the_spark_configuration_of_a_task_counts_more(bench, gcp):
    config = StarlakeSparkConfig("2g", 1, 9, **{"spark.sql.catalogImplementation": "hive", "spark.driver.memory": "4g"})
    bench.executor().run(bench.load(), bench.execution(spark_config=config))
    properties = gcp.spark_jobs[0].properties
    assert properties["spark.executor.memory"] == "2g"
    assert properties["spark.executor.instances"] == "9"
    assert properties["spark.sql.catalogImplementation"] == "hive"
    assert properties["spark.driver.memory"] == "4g"


def test_secrets_reach_the_job_and_no_log(bench, gcp, monkeypatch):
    monkeypatch.setenv("MY_SECRET", "hunter-two")
    command = bench.load("exit=1", DB_PASSWORD=EnvironmentReference("MY_SECRET"))
    with pytest.raises(CommandFailedError) as caught:
        bench.executor().run(command, bench.execution())
    assert gcp.spark_jobs[0].env["DB_PASSWORD"] == "hunter-two"
    assert "DB_PASSWORD" in bench.report.everything()
    assert "hunter-two" not in bench.report.everything() + str(caught.value)


def test_spark_masks_secrets_whose_names_do_not_speak_of_one(bench, gcp, monkeypatch):
    monkeypatch.setenv("MY_SECRET", "hunter-two")
    reference = EnvironmentReference("MY_SECRET")
    bench.executor().run(bench.load(DB_URL=reference, DB_PASSWORD=reference), bench.execution())
    redaction = re.compile(gcp.spark_jobs[0].properties["spark.redaction.regex"])
    names = ("DB_URL", "DB_PASSWORD", "SL_ROOT")
    assert [bool(redaction.search(f"spark.executorEnv.{name}")) for name in names] == [True, True, False]


def test_a_warning_names_the_secrets_that_others_can_read(bench):
    with pytest.warns(ExposedSecretWarning, match=r"^option sl_env_var: DB_X is a plain value; .*dataproc\.jobs\.get"):
        bench.executor(sl_env_var={"DB_X": {"env": "MY_SECRET"}, "SL_ROOT": "gs://bucket"})


def test_a_failed_job_shows_the_last_lines_of_its_driver(bench, gcp):
    with pytest.raises(RemoteCommandFailedError) as caught:
        bench.executor().run(bench.load("exit=3"), bench.execution())
    error = caught.value
    assert error.tail[-1] == "it went wrong"
    assert "it went wrong" in str(error)
    assert gcp.spark_jobs[0].name in str(error)
    assert error.log_url.startswith("https://console.cloud.google.com/dataproc/jobs/")


def test_a_job_that_somebody_cancelled_is_a_failure(bench, gcp):
    def cancels():
        gcp.wait_for(lambda gcp: any(job.state == "RUNNING" for job in gcp.spark_jobs))
        bench.executor().backend(bench.execution()).cancel(handle(gcp.spark_jobs[0].name))

    with meanwhile(cancels), pytest.raises(RemoteCommandFailedError, match="was cancelled by another user"):
        bench.executor().run(bench.load("sleep=120"), bench.execution())


def test_a_job_whose_cluster_is_taken_away_is_a_failure(bench, gcp):
    execution = bench.execution()

    def deletes():
        gcp.wait_for(lambda gcp: any(job.state == "RUNNING" for job in gcp.spark_jobs))
        bench.executor().delete(execution)

    with meanwhile(deletes), pytest.raises(RemoteCommandFailedError):
        bench.executor().run(bench.load("sleep=120"), execution)


def test_output_that_cannot_be_read_is_no_failure(bench, gcp):
    result = bench.executor(storage_endpoint="http://127.0.0.1:9", outage_tolerance=0.2).run(
        bench.load(), bench.execution()
    )
    assert result.counts is None
    assert any("output of the driver cannot be read" in warning for warning in bench.report.warnings)


def test_a_long_output_arrives_whole_and_in_order(bench, gcp):
    bench.executor().run(bench.load(*(f"x{number}" * 50 for number in range(200))), bench.execution())
    assert len(printed(bench, "argv")) == 205


def test_a_job_that_takes_too_long_is_cancelled(bench, gcp):
    with pytest.raises(RemoteTimeoutError, match="dataproc_job_wait_timeout"):
        bench.executor(dataproc_job_wait_timeout=0.3).run(bench.load("sleep=120"), bench.execution())
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].state == "CANCELLED")
    assert gcp.spark_jobs[0].cancelled == 1


@pytest.mark.parametrize("moment", ["submitted to cluster", "PENDING", "RUNNING"])
def test_an_interruption_cancels_the_job_once(bench, gcp, moment):
    interrupt_at(bench, f"{moment}" if moment == "submitted to cluster" else f": {moment}")
    executor = bench.executor()
    execution = bench.execution()
    executor.ensure(replace(execution, report=type(bench.report)()))
    with pytest.raises(Interruption):
        executor.run(bench.load("sleep=120"), execution)
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].state == "CANCELLED")
    assert gcp.spark_jobs[0].cancelled == 1
    assert [call.outcome for call in gcp.calls("CancelJob")].count("OK") == 1
    assert [view.state for view in gcp.clusters.values()] == ["RUNNING"]


def test_an_interruption_of_the_whole_run_deletes_the_cluster_too(bench, gcp):
    interrupt_at(bench, "submitted to cluster")
    with pytest.raises(Interruption):
        bench.executor().run(bench.load("sleep=120"), bench.execution(run_is_ending=lambda: True))
    gcp.wait_for(lambda gcp: not gcp.clusters)
    assert gcp.spark_jobs[0].state in ("CANCELLED", "ERROR")


def test_an_interruption_is_not_hidden_by_a_question_that_has_no_answer(bench, gcp):
    def is_ending():
        raise OSError("the database is gone")

    interrupt_at(bench, "submitted to cluster")
    with pytest.raises(Interruption):
        bench.executor().run(bench.load("sleep=120"), bench.execution(run_is_ending=is_ending))
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].state == "CANCELLED")
    assert any("the database is gone" in warning for warning in bench.report.warnings)


def test_a_step_that_fails_leaves_the_cluster_to_the_others(bench, gcp):
    with pytest.raises(RemoteCommandFailedError):
        bench.executor().run(bench.load("exit=1"), bench.execution(run_is_ending=lambda: True))
    assert [view.state for view in gcp.clusters.values()] == ["RUNNING"]


def test_the_same_attempt_in_another_process_finds_its_job(bench, gcp):
    execution = bench.execution()
    executor = bench.executor()
    dies = threading.Event()

    class Dies(type(bench.report)):
        def info(self, message):
            super().info(message)
            if "submitted to cluster" in message:
                dies.set()
                threading.Event().wait()  # like a killed process: it never continues

    doomed = threading.Thread(
        target=lambda: executor.run(bench.load("sleep=0.5"), replace(execution, report=Dies())), daemon=True
    )
    doomed.start()
    assert dies.wait(PATIENCE)
    result = bench.executor().run(bench.load("sleep=0.5"), execution)
    assert len(gcp.spark_jobs) == 1
    assert result.remote_id == gcp.spark_jobs[0].name


def test_a_retry_waits_for_the_job_that_its_predecessor_left_running(bench, gcp):
    execution = bench.execution()
    left = bench.orphan(execution, "sleep=0.5")
    result = bench.executor().run(bench.transform("sleep=0.5"), replace(execution, attempt=1))
    assert result.remote_id == left
    assert result.counts.input == 3
    assert [job.state for job in gcp.spark_jobs] == ["DONE"]


def test_a_retry_takes_the_result_that_its_predecessor_did_not_see(bench, gcp):
    execution = bench.execution()
    left = bench.orphan(execution, "sleep=0.1")
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].state == "DONE")
    result = bench.executor().run(bench.transform("sleep=0.1"), replace(execution, attempt=1))
    assert result.remote_id == left
    assert len(gcp.spark_jobs) == 1


def test_a_retry_waits_until_a_job_that_is_being_cancelled_has_ended(bench, gcp):
    execution = bench.execution()
    left = bench.orphan(execution, bench.until_ended)
    bench.executor().backend(execution).cancel(handle(left))
    bench.report.on_info = lambda message: bench.end() if "submitted to cluster" in message else None
    bench.executor().run(bench.transform(bench.until_ended), replace(execution, attempt=1))
    assert [job.state for job in gcp.spark_jobs] == ["CANCELLED", "DONE"]


def test_a_retry_submits_its_own_job_if_somebody_cancels_the_one_that_it_follows(bench, gcp):
    execution = bench.execution()
    left = bench.orphan(execution, bench.until_ended)

    def act(message):
        if f"{left}: RUNNING" in message:
            bench.executor().backend(execution).cancel(handle(left))
        elif "submitted to cluster" in message:
            bench.end()

    bench.report.on_info = act
    result = bench.executor().run(bench.transform(bench.until_ended), replace(execution, attempt=1))
    assert [job.state for job in gcp.spark_jobs] == ["CANCELLED", "DONE"]
    assert result.remote_id == gcp.spark_jobs[1].name


def test_a_retry_after_a_failure_runs_the_command_again(bench, gcp):
    execution = bench.execution()
    for attempt in range(2):
        with pytest.raises(RemoteCommandFailedError):
            bench.executor().run(bench.transform("exit=1"), replace(execution, attempt=attempt))
    assert [job.state for job in gcp.spark_jobs] == ["ERROR", "ERROR"]


def test_a_re_execution_runs_the_command_again(bench, gcp):
    execution = bench.execution()
    bench.executor().run(bench.transform(), execution)
    again = bench.execution(str(uuid.uuid4()), root_run_id=execution.run_id, resumed=True)
    bench.executor().run(bench.transform(), again)
    assert [job.state for job in gcp.spark_jobs] == ["DONE", "DONE"]
    assert len(gcp.all_clusters) == 1


def test_a_re_execution_with_other_arguments_ends_what_its_predecessor_left_running(bench, gcp):
    execution = bench.execution()
    bench.orphan(execution, "sleep=120")
    again = bench.execution(str(uuid.uuid4()), root_run_id=execution.run_id, resumed=True)
    bench.executor().run(bench.transform(), again)
    assert [job.state for job in gcp.spark_jobs] == ["CANCELLED", "DONE"]


def test_the_jobs_of_other_steps_go_on(bench, gcp):
    execution = bench.execution()
    bench.orphan(replace(execution, step_key="another"), "sleep=120")
    bench.executor().run(bench.transform(), replace(execution, attempt=1))
    assert [job.state for job in gcp.spark_jobs] == ["RUNNING", "DONE"]


class Facts:
    """A project whose areas are folders."""

    files = Files()

    def __init__(self, root, environment):
        self.root = Path(root)

    def area(self, name, domain):
        return str(self.root / "datasets" / name / domain)

    def table_pattern(self, domain, table):
        import re

        return re.compile(rf"{table}.*")

    def duckdb_file(self, domain=None, table=None, *, task=None):
        return None


def test_a_retry_of_a_load_brings_its_files_back(bench, tmp_path):
    ingesting, stage = (tmp_path / "datasets" / area / "sales" for area in ("ingesting", "stage"))
    ingesting.mkdir(parents=True)
    (ingesting / "orders-1.csv").touch()
    bench.facts = Facts
    bench.executor().run(bench.load(SL_ROOT=str(tmp_path)), bench.execution(attempt=1))
    assert [file.name for file in stage.iterdir()] == ["orders-1.csv"]
    assert list(ingesting.iterdir()) == []


@pytest.fixture
def areas(bench, tmp_path):
    """Return the stage and the ingesting area of a project; Starlake takes what waits when the job begins."""
    stage, ingesting = (tmp_path / "datasets" / area / "sales" for area in ("stage", "ingesting"))
    for folder in (stage, ingesting):
        folder.mkdir(parents=True)
    bench.facts = Facts

    def take(message):
        if message.startswith("log: "):
            for file in list(stage.iterdir()):
                file.rename(ingesting / file.name)

    bench.report.on_info = take
    return stage, ingesting


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_job_that_fails_gives_its_files_back(bench, areas, tmp_path):
    stage, ingesting = areas
    (stage / "orders-1.csv").touch()
    with pytest.raises(RemoteCommandFailedError):
        bench.executor().run(bench.load("exit=1", SL_ROOT=str(tmp_path)), bench.execution())
    assert (names(stage), names(ingesting)) == (["orders-1.csv"], [])


def test_a_job_that_is_interrupted_gives_its_files_back_when_it_has_ended(bench, gcp, areas, tmp_path):
    stage, ingesting = areas
    take = bench.report.on_info

    def take_and_interrupt(message):
        take(message)
        if ": RUNNING" in message:
            raise Interruption

    execution = bench.execution()
    bench.executor().ensure(replace(execution, report=type(bench.report)()))
    bench.report.on_info = take_and_interrupt
    (stage / "orders-1.csv").touch()
    with pytest.raises(Interruption):
        bench.executor().run(bench.load("sleep=120", SL_ROOT=str(tmp_path)), execution)
    assert gcp.spark_jobs[0].state == "CANCELLED"
    assert (names(stage), names(ingesting)) == (["orders-1.csv"], [])


def test_a_new_run_leaves_the_files_of_a_job_that_runs_and_takes_those_of_one_that_ended(bench, gcp, areas, tmp_path):
    stage, ingesting = areas
    (ingesting / "orders-1.csv").touch()
    killed = bench.execution()
    load = bench.load("sleep=120", SL_ROOT=str(tmp_path))
    job_id = bench.orphan(killed, command=load)
    note = replace(LoadNote.of(killed, killed.job_id, {"spark_job": job_id}), files=("orders-1.csv",), host="elsewhere")
    LoadNotes(Files().location(tmp_path / "datasets/ingesting/.dagster/sales")).write(note)
    execution = bench.execution(is_run_over=lambda run: run == killed.run_id)
    bench.executor().run(bench.load(SL_ROOT=str(tmp_path)), execution)
    assert (names(stage), names(ingesting)) == ([], ["orders-1.csv"])
    bench.executor().backend(execution).cancel(handle(job_id))
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].state == "CANCELLED")
    assert bench.executor().files_left(load, execution) == [str(ingesting / "orders-1.csv")]
    bench.report.on_info = lambda message: None
    bench.executor().run(bench.load(SL_ROOT=str(tmp_path)), bench.execution(is_run_over=lambda run: True))
    assert (names(stage), names(ingesting)) == (["orders-1.csv"], [])


def test_a_retry_that_is_started_again_leaves_the_files_to_the_load_that_works_on_them(bench, gcp, tmp_path):
    ingesting = tmp_path / "datasets" / "ingesting" / "sales"
    ingesting.mkdir(parents=True)
    (ingesting / "orders-1.csv").touch()
    bench.facts = Facts
    execution = bench.execution(attempt=1)
    load = bench.load("sleep=0.5", SL_ROOT=str(tmp_path))
    own = bench.orphan(execution, command=load)
    result = bench.executor().run(load, execution)
    assert result.remote_id == own
    assert [file.name for file in ingesting.iterdir()] == ["orders-1.csv"]


def test_a_retry_of_a_load_without_a_project_that_can_be_read_is_refused(bench, gcp):
    with pytest.raises(RecoveryError):
        bench.executor().run(bench.load(), bench.execution(attempt=1))
    assert gcp.spark_jobs == []


def test_a_cluster_that_goes_away_at_the_last_moment_is_made_anew(bench, gcp):
    gcp.fault("SubmitJob", "FAILED_PRECONDITION")
    bench.executor().run(bench.load(), bench.execution())
    assert [job.state for job in gcp.spark_jobs] == ["DONE"]


def test_a_cluster_that_never_takes_jobs_is_an_error(bench, gcp):
    gcp.fault("SubmitJob", "FAILED_PRECONDITION", count=None)
    with pytest.raises(StarlakeError, match="takes no jobs"):
        bench.executor().run(bench.load(), bench.execution())
    assert len(gcp.calls("SubmitJob")) == 3


def test_a_lost_answer_to_a_submission_makes_no_second_job(bench, gcp):
    gcp.fault("SubmitJob", "UNAVAILABLE", when="after", count=2)
    bench.executor().run(bench.load(), bench.execution())
    assert [job.state for job in gcp.spark_jobs] == ["DONE"]
    assert len({call.request["request_id"] for call in gcp.calls("SubmitJob")}) == 1


def test_an_outage_longer_than_the_tolerance_ends_the_step_and_its_job(bench, gcp):
    executor = bench.executor(outage_tolerance=0.3)
    execution = bench.execution()
    executor.ensure(execution)
    gcp.fault("GetJob", "UNAVAILABLE", count=None)
    with pytest.raises(GcpCallError, match="UNAVAILABLE"):
        executor.run(bench.load("sleep=120"), execution)
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].state == "CANCELLED")


def test_a_missing_permission_is_named(bench, gcp):
    gcp.fault("SubmitJob", "PERMISSION_DENIED")
    with pytest.raises(PermissionDeniedError, match=r"dataproc\.jobs\.create"):
        bench.executor().run(bench.load(), bench.execution())


def test_create_and_delete_go_with_the_run(bench, gcp):
    execution = bench.execution()
    assert bench.executor().ensure(execution) in gcp.clusters
    assert bench.executor().delete(bench.execution(execution.run_id, step="delete")) is True
    assert gcp.clusters == {}
