"""Faults that a test orders, and the journal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import pytest
from google.api_core import exceptions
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from starlake_gcp_emulator import Call, GcpEmulator
from starlake_gcp_emulator.errors import Code
from starlake_gcp_emulator.faults import Fault, Faults
from tests.waiting import PATIENCE, all_at_once, meanwhile, wait_for

JOB = "projects/p/locations/europe-west1/jobs/j"
ERRORS = {
    "UNAVAILABLE": exceptions.ServiceUnavailable,
    "INTERNAL": exceptions.InternalServerError,
    "DEADLINE_EXCEEDED": exceptions.GatewayTimeout,
    "RESOURCE_EXHAUSTED": exceptions.TooManyRequests,
    "PERMISSION_DENIED": exceptions.Forbidden,
}


@pytest.mark.parametrize("code", ERRORS)
def test_a_fault_before_the_side_effect_prevents_it(api: Any, gcp: GcpEmulator, code: str) -> None:
    gcp.fault("RunJob", code)
    with pytest.raises(ERRORS[code]):
        api.run("say")
    assert gcp.executions == []
    api.run("say")
    assert len(gcp.executions) == 1
    assert [(call.outcome, call.injected) for call in gcp.calls("RunJob")] == [(code, True), ("OK", False)]


@pytest.mark.parametrize("code", ERRORS)
def test_a_fault_after_the_side_effect_loses_the_answer_alone(api: Any, gcp: GcpEmulator, code: str) -> None:
    gcp.fault("CreateCluster", code, when="after", message="lost")
    with pytest.raises(ERRORS[code], match="lost"):
        api.create(request_id="r")
    assert list(gcp.clusters) == ["c"]
    assert api.create(request_id="r").result(timeout=60).cluster_name == "c"
    with pytest.raises(exceptions.Conflict):
        api.create(request_id="another")


def test_faults_strike_as_often_as_they_were_ordered(grpc_api: Any, gcp: GcpEmulator) -> None:
    grpc_api.create()
    gcp.fault("GetCluster", "UNAVAILABLE", count=2)
    gcp.fault("GetCluster", "INTERNAL", count=None)
    for expected in (exceptions.ServiceUnavailable, exceptions.ServiceUnavailable, exceptions.InternalServerError):
        with pytest.raises(expected):
            grpc_api.get()
    gcp.clear_faults()
    grpc_api.get()


def test_clearing_faults_also_lets_clusters_be_created_again(grpc_api: Any, gcp: GcpEmulator) -> None:
    gcp.fail_clusters(3)
    gcp.clear_faults()
    grpc_api.create().result(timeout=60)


def test_a_service_tells_methods_of_one_name_apart(grpc_api: Any, gcp: GcpEmulator) -> None:
    gcp.fault("JobController.GetJob", "UNAVAILABLE", count=None)
    assert grpc_api.run_jobs.get_job(name=JOB).name == JOB
    with pytest.raises(exceptions.ServiceUnavailable):
        grpc_api.job("x")
    assert [call.service for call in gcp.calls("GetJob")] == [
        "google.cloud.run.v2.Jobs",
        "google.cloud.dataproc.v1.JobController",
    ]
    assert len(gcp.calls("Jobs.GetJob")) == 1
    gcp.fault("*", "ABORTED")
    with pytest.raises(exceptions.Aborted):
        grpc_api.run_jobs.get_job(name=JOB)


def outcomes_of(seed: int, probability: float, calls: int) -> list[bool]:
    import random

    faults = Faults(["s.M"])
    chosen = random.Random(seed)
    faults.order(Fault("M", Code.UNAVAILABLE, count=None, probability=probability, random=chosen))
    return [faults.striking(Call("s", "M", {}, "OK", injected=False, time=0)) is not None for _ in range(calls)]


@given(st.integers(), st.floats(0, 1))
def test_a_share_of_calls_is_struck_and_the_choice_can_be_repeated(seed: int, probability: float) -> None:
    struck = outcomes_of(seed, probability, 400)
    assert struck == outcomes_of(seed, probability, 400)
    assert abs(sum(struck) / 400 - probability) < 0.15
    assert sum(outcomes_of(seed, 0, 50)) == 0
    assert sum(outcomes_of(seed, 1, 50)) == 50


def test_an_answer_can_be_late_without_being_wrong(grpc_api: Any, gcp: GcpEmulator) -> None:
    grpc_api.run_jobs.get_job(name=JOB)  # connects: the time of the next call is that of its answer
    gcp.fault("RunJob", "OK", when="after", delay=1)
    with pytest.raises(exceptions.DeadlineExceeded):
        grpc_api.run_jobs.run_job(name=JOB, timeout=0.5)
    gcp.wait_for(lambda gcp: len(gcp.executions) == 1)


def test_answers_can_wait_for_each_other_even_those_that_refuse(api: Any, gcp: GcpEmulator) -> None:
    gcp.fault("GetCluster", "OK", when="after", count=2, together=2)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(api.get, "nowhere")
        assert not wait([first], timeout=0.2).done
        with pytest.raises(exceptions.NotFound):
            api.get("nowhere")
        assert isinstance(first.exception(PATIENCE), exceptions.NotFound)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "RunJop", "code": "INTERNAL"}, "perhaps RunJob"),
        ({"method": "Clusters.RunJob", "code": "INTERNAL"}, "no method"),
        ({"method": "RunJob", "code": "BAD"}, "there is no status 'BAD'"),
        ({"method": "RunJob", "code": "INTERNAL", "when": "during"}, "before or after"),
        ({"method": "RunJob", "code": "INTERNAL", "probability": 2}, "not a probability"),
    ],
)
def test_faults_that_cannot_strike_are_errors(gcp: GcpEmulator, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(StarlakeError, match=said):
        gcp.fault(**arguments)


def test_the_journal_tells_requests_as_they_were_sent(api: Any, gcp: GcpEmulator) -> None:
    gcp.advance(0)
    api.create(labels={"a": "b"}, request_id="r", lifecycle_config={"idle_delete_ttl": {"seconds": 600}})
    with pytest.raises(exceptions.NotFound):
        api.get("d")
    create, get = gcp.journal
    assert (create.service, create.method) == ("google.cloud.dataproc.v1.ClusterController", "CreateCluster")
    assert create.request == {
        "project_id": "p",
        "region": "europe-west1",
        "request_id": "r",
        "cluster": {
            "cluster_name": "c",
            "labels": {"a": "b"},
            "config": {"lifecycle_config": {"idle_delete_ttl": "600s"}},
        },
    }
    assert create.time == gcp.clock.now()
    assert (get.outcome, get.injected) == ("NOT_FOUND", False)


def test_the_journal_keeps_the_order_of_calls_that_come_at_once(grpc_api: Any, gcp: GcpEmulator) -> None:
    def calls(number: int) -> None:
        for turn in range(25):
            grpc_api.run("say", env={"WHO": f"{number}.{turn}"})

    all_at_once(*(partial(calls, number) for number in range(4)))
    sent = [call.request["overrides"]["container_overrides"][0]["env"][0]["value"] for call in gcp.calls("RunJob")]
    assert sent == [view.env["WHO"] for view in gcp.executions]
    assert len(set(sent)) == 100
    for number in range(4):
        assert [one for one in sent if one.startswith(f"{number}.")] == [f"{number}.{turn}" for turn in range(25)]
    assert {call.outcome for call in gcp.journal} == {"OK"}


def test_a_call_stands_in_the_journal_while_it_waits(grpc_api: Any, gcp: GcpEmulator) -> None:
    from google.longrunning import operations_pb2

    operation = grpc_api.run("hang")
    request = operations_pb2.WaitOperationRequest(name=operation.operation.name)
    with meanwhile(lambda: grpc_api.executions.wait_operation(request, timeout=PATIENCE)):
        wait_for("the call", lambda: gcp.calls("WaitOperation"))
        assert [call.outcome for call in gcp.calls("WaitOperation")] == ["IN_FLIGHT"]
        grpc_api.executions.cancel_execution(name=operation.metadata.name)
    assert [call.outcome for call in gcp.calls("WaitOperation")] == ["OK"]


def test_waiting_for_what_does_not_come_ends(gcp: GcpEmulator) -> None:
    with pytest.raises(TimeoutError, match=r"after 0\.01 s"):
        gcp.wait_for(lambda gcp: gcp.executions, timeout=0.01)
