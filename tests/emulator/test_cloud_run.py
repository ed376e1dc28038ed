"""Cloud Run's jobs and executions, as Google's client sees them over gRPC and over REST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import run_v2

from ai.starlake.common import StarlakeError
from starlake_gcp_emulator import GcpEmulator
from tests.emulator.conftest import COMMAND
from tests.held_services import held
from tests.waiting import PATIENCE

PARENT = "projects/p/locations/europe-west1"
JOB = f"{PARENT}/jobs/j"
Condition = run_v2.Condition


def completed(execution: Any) -> Any:
    return next(one for one in execution.conditions if one.type_ == "Completed")


def test_an_execution_runs_the_command_with_overrides(api: Any, gcp: GcpEmulator) -> None:
    gcp.add_job(JOB, args=["say", "default"], env={"SL_A": "job", "SL_B": "job"})
    operation = api.run("tell", "SL_A", env={"SL_A": "run"})
    execution = operation.result(timeout=60)
    assert operation.metadata.name == execution.name
    assert execution.name.startswith(f"{JOB}/executions/j-")
    assert execution.completion_time
    assert (execution.task_count, execution.succeeded_count, execution.failed_count) == (1, 1, 0)
    assert completed(execution).state == Condition.State.CONDITION_SUCCEEDED
    assert execution.log_uri.startswith("https://")
    (container,) = execution.template.containers
    assert list(container.args) == ["tell", "SL_A"]
    assert {variable.name: variable.value for variable in container.env} == {"SL_A": "run", "SL_B": "job"}
    (view,) = gcp.executions
    assert (view.state, view.exit_code, view.output) == ("SUCCEEDED", 0, ("run",))
    assert view.env == {"SL_A": "run", "SL_B": "job"}


def test_without_overrides_the_job_runs_as_it_was_deployed(api: Any, gcp: GcpEmulator) -> None:
    gcp.add_job(JOB, command=["/bin/echo"], args=["as", "deployed"])
    api.run_jobs.run_job(name=JOB)
    gcp.wait_for(lambda gcp: gcp.executions[0].state == "SUCCEEDED")
    assert gcp.executions[0].output == ("as deployed",)
    cleared = {"name": JOB, "overrides": {"container_overrides": [{"clear_args": True}]}}
    api.run_jobs.run_job(request=cleared)
    gcp.wait_for(lambda gcp: gcp.executions[1].state == "SUCCEEDED")
    assert gcp.executions[1].output == ("",)


def test_containers_know_their_task(grpc_api: Any, gcp: GcpEmulator) -> None:
    grpc_api.run("tell", "CLOUD_RUN_TASK_INDEX", task_count=3).result(timeout=60)
    assert sorted(gcp.executions[0].output) == ["0", "1", "2"]
    grpc_api.run("tell", "CLOUD_RUN_EXECUTION").result(timeout=60)
    assert gcp.executions[1].name.endswith(f"/{gcp.executions[1].output[0]}")


def test_an_execution_that_fails_fails_its_operation_and_says_why(api: Any, gcp: GcpEmulator) -> None:
    operation = api.run("fail")
    with pytest.raises(exceptions.GoogleAPICallError):
        operation.result(timeout=60)
    execution = api.executions.get_execution(name=operation.metadata.name)
    assert execution.completion_time
    assert execution.failed_count == 1
    assert completed(execution).state == Condition.State.CONDITION_FAILED
    assert completed(execution).execution_reason == Condition.ExecutionReason.NON_ZERO_EXIT_CODE
    assert (gcp.executions[0].state, gcp.executions[0].exit_code) == ("FAILED", 3)
    assert gcp.executions[0].output == ("it does not work",)


def test_tasks_are_begun_again_as_often_as_the_job_allows(grpc_api: Any, gcp: GcpEmulator, tmp_path: Path) -> None:
    gcp.add_job(JOB, max_retries=2)
    execution = grpc_api.run("once", str(tmp_path / "a"), "2").result(timeout=60)
    assert (execution.retried_count, execution.succeeded_count) == (2, 1)
    assert gcp.executions[0].attempt == 2
    with pytest.raises(exceptions.GoogleAPICallError):
        grpc_api.run("once", str(tmp_path / "b"), "3").result(timeout=60)
    assert gcp.executions[1].attempt == 2


def test_an_execution_fails_when_one_of_its_tasks_does(grpc_api: Any, gcp: GcpEmulator) -> None:
    gcp.add_job(JOB, command=["/bin/sh", "-c", "exit $CLOUD_RUN_TASK_INDEX"], max_retries=0, parallelism=1)
    operation = grpc_api.run(task_count=3)
    with pytest.raises(exceptions.GoogleAPICallError):
        operation.result(timeout=60)
    execution = grpc_api.executions.get_execution(name=operation.metadata.name)
    assert (execution.succeeded_count, execution.failed_count) == (1, 2)


def test_no_more_tasks_run_at_once_than_the_job_allows(grpc_api: Any, gcp: GcpEmulator) -> None:
    gcp.add_job(JOB, parallelism=2, max_retries=0)
    operation = grpc_api.run("hang", task_count=3)
    gcp.wait_for(lambda gcp: len(gcp.executions[0].output) == 2)
    execution = grpc_api.executions.get_execution(name=operation.metadata.name)
    assert execution.running_count == 2
    grpc_api.executions.cancel_execution(name=execution.name)
    gcp.wait_for(lambda gcp: gcp.executions[0].state == "CANCELLED")
    assert len(gcp.executions[0].output) == 2


def test_cancelling_ends_the_processes_and_the_operation_ends_well(
    api: Any, gcp: GcpEmulator, gone: Callable[[int], bool]
) -> None:
    operation = api.run("hang")
    name = operation.metadata.name
    gcp.wait_for(lambda gcp: gcp.executions[0].output)
    cancelling = api.executions.cancel_execution(name=name)
    execution = operation.result(timeout=60)
    assert (execution.cancelled_count, execution.succeeded_count) == (1, 0)
    assert completed(execution).state == Condition.State.CONDITION_FAILED
    assert completed(execution).execution_reason == Condition.ExecutionReason.CANCELLED
    assert cancelling.result(timeout=60).name == name
    assert gone(int(gcp.executions[0].output[0]))
    assert (gcp.executions[0].cancelled, gcp.executions[0].exit_code) == (1, None)
    with pytest.raises(exceptions.BadRequest):
        api.executions.cancel_execution(name=name)


def test_cancelling_again_while_the_processes_end_is_no_second_time(connect: Any, tmp_path: Path) -> None:
    with GcpEmulator(COMMAND, speed=3000, grace=PATIENCE) as gcp:
        gcp.add_job(JOB, max_retries=0)
        api = connect(gcp)
        operation = api.run("linger", str(tmp_path / "end"))
        gcp.wait_for(lambda gcp: gcp.executions[0].output)
        first = api.executions.cancel_execution(name=operation.metadata.name)
        again = api.executions.cancel_execution(name=operation.metadata.name)
        assert gcp.executions[0].state == "RUNNING"
        (tmp_path / "end").touch()
        assert operation.result(timeout=60).cancelled_count == 1
        assert gcp.executions[0].cancelled == 1
        assert first.result(timeout=60) == again.result(timeout=60)


def test_an_execution_may_be_cancelled_before_it_starts(grpc_api: Any, gcp: GcpEmulator) -> None:
    with held(gcp):
        operation = grpc_api.run("say")
        assert gcp.executions[0].state == "PENDING"
        grpc_api.executions.cancel_execution(name=operation.metadata.name)
        assert operation.result(timeout=60).cancelled_count == 1
    later = grpc_api.run("say").result(timeout=60)
    assert later.succeeded_count == 1
    assert gcp.executions[0].exit_code is None


def test_the_timeout_of_a_run_ends_its_tasks(api: Any, gcp: GcpEmulator, gone: Callable[[int], bool]) -> None:
    operation = api.run("hang", timeout="1s")
    with pytest.raises(exceptions.GoogleAPICallError, match="timeout"):
        operation.result(timeout=60)
    assert gone(int(gcp.executions[0].output[0]))
    assert (gcp.executions[0].state, gcp.executions[0].cancelled) == ("FAILED", 0)


def test_executions_are_listed_newest_first_and_show_what_they_run(api: Any, gcp: GcpEmulator) -> None:
    gcp.add_job(f"{PARENT}/jobs/other")
    for number in range(3):
        api.run("say", env={"MARKER": str(number)}).result(timeout=60)
    api.run_jobs.run_job(
        request={"name": f"{PARENT}/jobs/other", "overrides": {"container_overrides": [{"args": ["say"]}]}}
    )

    def markers(parent: str, **rest: Any) -> list[str]:
        listed = api.executions.list_executions(request={"parent": parent, **rest})
        return [next((one.value for one in it.template.containers[0].env), "-") for it in listed]

    assert markers(JOB) == ["2", "1", "0"]
    assert markers(JOB, page_size=1) == ["2", "1", "0"]
    assert markers(f"{PARENT}/jobs/-") == ["-", "2", "1", "0"]
    with pytest.raises(exceptions.BadRequest):
        markers(JOB, page_token="nonsense")


def test_executions_can_be_deleted(api: Any, gcp: GcpEmulator, gone: Callable[[int], bool]) -> None:
    name = api.run("hang").metadata.name
    gcp.wait_for(lambda gcp: gcp.executions[0].output)
    api.executions.delete_execution(name=name)
    assert gone(int(gcp.executions[0].output[0]))
    with pytest.raises(exceptions.NotFound):
        api.executions.get_execution(name=name)
    assert list(api.executions.list_executions(parent=JOB)) == []


@pytest.mark.parametrize(
    "overrides",
    [
        {"timeout": "0s"},
        {"timeout": "700000s"},
        {"task_count": -1},
        {"container_overrides": [{"name": "nobody"}]},
        {"container_overrides": [{"args": ["a"], "clear_args": True}]},
        {"container_overrides": [{"env": [{"value": "without a name"}]}]},
    ],
)
def test_runs_that_cloud_run_refuses_are_refused(api: Any, gcp: GcpEmulator, overrides: dict[str, Any]) -> None:
    with pytest.raises(exceptions.BadRequest):
        api.run_jobs.run_job(request={"name": JOB, "overrides": overrides})
    assert gcp.executions == []


def test_jobs_are_created_listed_changed_and_deleted(api: Any, gcp: GcpEmulator) -> None:
    definition = run_v2.Job(template={"template": {"containers": [{"image": "i"}]}})
    api.run_jobs.create_job(parent=PARENT, job=definition, job_id="new")
    made = api.run_jobs.get_job(name=f"{PARENT}/jobs/new")
    assert made.template.task_count == 1
    assert made.template.template.max_retries == 3
    assert made.template.template.timeout.total_seconds() == 600
    with pytest.raises(exceptions.Conflict):
        api.run_jobs.create_job(parent=PARENT, job=definition, job_id="new")
    assert {job.name for job in api.run_jobs.list_jobs(parent=PARENT)} == {JOB, made.name}
    made.template.template.max_retries = 0
    api.run_jobs.update_job(job=made)
    changed = api.run_jobs.get_job(name=made.name)
    assert (changed.generation, changed.template.template.max_retries) == (2, 0)
    api.run_jobs.delete_job(name=made.name)
    with pytest.raises(exceptions.NotFound):
        api.run_jobs.get_job(name=made.name)


def test_a_job_tells_its_latest_execution(grpc_api: Any) -> None:
    name = grpc_api.run("say").result(timeout=60).name
    job = grpc_api.run_jobs.get_job(name=JOB)
    assert job.execution_count == 1
    assert name.endswith(job.latest_created_execution.name)


@pytest.mark.parametrize(
    ("job_id", "job"),
    [
        ("New", {"template": {"template": {"containers": [{"image": "i"}]}}}),
        ("new", {"template": {"template": {"containers": [{}]}}}),
        ("new", {"template": {}}),
        ("new", {"template": {"template": {"containers": [{"image": "i"}], "max_retries": 11}}}),
        ("new", {"name": f"{PARENT}/jobs/another", "template": {"template": {"containers": [{"image": "i"}]}}}),
    ],
)
def test_jobs_that_cloud_run_refuses_are_refused(grpc_api: Any, job_id: str, job: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        grpc_api.run_jobs.create_job(request={"parent": PARENT, "job": job, "job_id": job_id})


def test_what_only_has_to_be_checked_is_not_done(grpc_api: Any, gcp: GcpEmulator) -> None:
    grpc_api.run_jobs.run_job(request={"name": JOB, "validate_only": True})
    definition = {"template": {"template": {"containers": [{"image": "i"}]}}}
    request = {"parent": PARENT, "job": definition, "job_id": "new", "validate_only": True}
    grpc_api.run_jobs.create_job(request=request)
    assert gcp.executions == []
    assert [job.name for job in grpc_api.run_jobs.list_jobs(parent=PARENT)] == [JOB]


def test_an_etag_that_is_out_of_date_is_refused(grpc_api: Any, gcp: GcpEmulator) -> None:
    job = grpc_api.run_jobs.get_job(name=JOB)
    gcp.add_job(JOB)
    with pytest.raises(exceptions.Aborted):
        grpc_api.run_jobs.run_job(request={"name": JOB, "etag": job.etag})
    grpc_api.run_jobs.run_job(request={"name": JOB, "etag": grpc_api.run_jobs.get_job(name=JOB).etag})


def test_a_job_that_is_deployed_wrongly_is_an_error(gcp: GcpEmulator) -> None:
    with pytest.raises(StarlakeError, match="cannot be deployed"):
        gcp.add_job("jobs/j")


def test_what_tasks_print_is_found_in_cloud_logging(grpc_api: Any, gcp: GcpEmulator) -> None:
    import grpc
    from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
    from google.cloud.logging_v2.services.logging_service_v2.transports import LoggingServiceV2GrpcTransport

    gcp.add_job(JOB, max_retries=1)
    first = grpc_api.run("say", "one").result(timeout=60)
    with pytest.raises(exceptions.GoogleAPICallError):
        grpc_api.run("fail").result(timeout=60)
    with grpc.insecure_channel(gcp.endpoint.removeprefix("http://")) as channel:
        client = LoggingServiceV2Client(transport=LoggingServiceV2GrpcTransport(channel=channel))

        def entries(text: str, **rest: Any) -> list[Any]:
            request = {"resource_names": ["projects/p"], "filter": text, **rest}
            return list(client.list_log_entries(request=request))

        of_one = f'labels."run.googleapis.com/execution_name"="{first.name.rpartition("/")[2]}"'
        (entry,) = entries(f'resource.type="cloud_run_job"\n{of_one}')
        assert (entry.text_payload, entry.resource.labels["job_name"]) == ("one", "j")
        assert entry.log_name.endswith("stdout")
        texts = [(one.text_payload, one.labels["run.googleapis.com/task_attempt"]) for one in entries("", page_size=2)]
        assert texts == [("one", "0"), ("it does not work", "0"), ("it does not work", "1")]
        assert entries('resource.labels.job_name = "j" AND timestamp >= "2100-01-01T00:00:00Z"') == []
        assert len(entries('timestamp < "2100-01-01T00:00:00.123456789Z" AND severity >= DEFAULT')) == 3
        newest = entries('resource.type = "cloud_run_job"', order_by="timestamp desc")
        assert newest[-1].text_payload == "one"
        with pytest.raises(exceptions.MethodNotImplemented):
            entries("a OR b")
        with pytest.raises(exceptions.InvalidArgument):
            entries('timestamp > "yesterday"')
