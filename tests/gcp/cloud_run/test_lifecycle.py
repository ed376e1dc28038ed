"""Exactly one execution per command, and none left behind."""

from __future__ import annotations

import threading

import pytest

from ai.starlake.executor import CommandFailedError, RecoveryError
from ai.starlake.executor.remote.leftovers import leftover_work, reap
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.google_errors import GcpCallError
from ai.starlake.gcp.cloud_run.backend import CloudRunBackend, CloudRunJob, LostAnswerError
from ai.starlake.gcp.cloud_run.executions import Marker
from tests.waiting import meanwhile, wait_for

SLEEP = ("transform", "sleep=120")


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_starts_no_second_execution(bench, gcp, executions, called, code, when):
    gcp.fault("RunJob", code, when=when, count=2)
    bench.run("transform")
    assert [one.state for one in executions()] == ["SUCCEEDED"]
    assert called().count("RunJob") == (1 if when == "after" else 3)
    assert f"({code}: " in bench.report.everything() or f"the answer was {code}" in bench.report.everything()


def test_an_outage_in_the_middle_is_ridden_out(bench, gcp, executions):
    gcp.fault("GetExecution", "UNAVAILABLE", count=6)
    bench.run("transform")
    assert [one.state for one in executions()] == ["SUCCEEDED"]
    assert "did not look at Cloud Run execution" in bench.report.everything()


def test_an_outage_that_lasts_fails_and_leaves_nothing(bench, gcp, executions):
    gcp.fault("GetExecution", "UNAVAILABLE", count=None)
    with pytest.raises(GcpCallError, match="UNAVAILABLE"):
        bench.run(*SLEEP, outage_tolerance=0.2)
    gcp.wait_for(lambda _: executions()[0].state == "CANCELLED")
    assert executions()[0].cancelled == 1


def test_what_nobody_can_tell_is_said(bench, gcp):
    gcp.fault("RunJob", "UNAVAILABLE")
    gcp.fault("ListExecutions", "UNAVAILABLE", count=None)
    with pytest.raises(LostAnswerError, match="it is unknown whether an execution"):
        bench.run("transform", outage_tolerance=0.2)


def test_a_refusal_is_told_even_when_executions_cannot_be_listed(bench, gcp):
    gcp.fault("RunJob", "INVALID_ARGUMENT", message="no such container")
    gcp.fault("ListExecutions", "PERMISSION_DENIED", count=None)
    with pytest.raises(GcpCallError, match="no such container"):
        bench.run("transform")


def test_an_execution_whose_start_seemed_to_fail_and_turns_up_late_is_cancelled(bench, gcp, executions):
    """The looks after the lost answer see nothing yet: the list lags behind."""
    listed = []

    class Lagging(bench.calls):
        def listing(self, method, request, **options):
            listed.append(method)
            return iter(()) if len(listed) <= 3 else super().listing(method, request, **options)

    bench.calls = Lagging
    gcp.fault("RunJob", "UNAVAILABLE", when="after")
    bench.end_when("its log:")
    bench.run("transform", bench.until_ended)
    gcp.wait_for(lambda _: all(one.state not in ("PENDING", "RUNNING") for one in executions()))
    assert [one.state for one in executions()] == ["SUCCEEDED", "CANCELLED"]


@pytest.fixture
def starts_late(bench, monkeypatch):
    """Leave the first start without an answer: it reaches Cloud Run when the second one is being followed."""
    order, orders = CloudRunBackend.order, []

    def carried_out_later(job, overrides):
        wait_for("the second one", lambda: ": running" in bench.report.everything())
        order(job, overrides)

    def ordered(job, overrides):
        orders.append(overrides)
        if len(orders) > 1:
            return order(job, overrides)
        threading.Thread(target=carried_out_later, args=(job, overrides)).start()
        raise GcpCallError("start it", "DEADLINE_EXCEEDED", "no answer")

    monkeypatch.setattr(CloudRunBackend, "order", ordered)


@pytest.mark.usefixtures("starts_late")
def test_an_execution_that_turns_up_while_another_one_is_followed_is_cancelled(bench, gcp, executions, tmp_path):
    def end():
        try:
            gcp.wait_for(lambda _: any(one.cancelled for one in executions()))
        finally:
            (tmp_path / "end").touch()

    with meanwhile(end):
        bench.run("transform", f"until={tmp_path}/end")
    gcp.wait_for(lambda _: [one.state for one in executions()] == ["SUCCEEDED", "CANCELLED"])
    assert "twice" in bench.report.everything()
    assert [one.cancelled for one in executions()] == [0, 1]


@pytest.mark.usefixtures("starts_late")
def test_an_interruption_ends_both(bench, gcp, executions, interrupt):
    def act(message):
        if ": running" in message:
            bench.report.on_info = lambda _: None
            gcp.wait_for(lambda _: len(executions()) == 2)
            interrupt()

    bench.report.on_info = act
    with pytest.raises(interrupt.error):
        bench.run(*SLEEP)
    gcp.wait_for(lambda _: {one.state for one in executions()} == {"CANCELLED"})
    assert [one.cancelled for one in executions()] == [1, 1]


@pytest.mark.parametrize("moment", ["its log:", ": running"])
def test_an_interruption_cancels_the_execution_once(bench, gcp, executions, called, interrupt, moment):
    def act(message):
        if moment in message:
            bench.report.on_info = lambda _: None
            interrupt()

    bench.report.on_info = act
    with pytest.raises(interrupt.error):
        bench.run(*SLEEP)
    gcp.wait_for(lambda _: executions()[0].state == "CANCELLED")
    assert executions()[0].cancelled == 1
    assert called().count("CancelExecution") == 1


def test_an_interruption_of_the_start_cancels_what_came_of_it(bench, gcp, executions, called, interrupt):
    """The signal comes while the answer to RunJob is on its way."""
    gcp.fault("RunJob", "OK", when="after", delay=2)
    with meanwhile(lambda: (gcp.wait_for(lambda _: executions()), interrupt())), pytest.raises(interrupt.error):
        bench.run(*SLEEP)
    gcp.wait_for(lambda _: executions()[0].state == "CANCELLED")
    assert (executions()[0].cancelled, called().count("RunJob")) == (1, 1)


def test_a_second_interruption_does_not_prevent_the_cancellation(bench, gcp, executions, interrupt):
    def act(message):
        if "running" in message or "cancelling" in message:
            interrupt()

    bench.report.on_info = act
    with pytest.raises(interrupt.error):
        bench.run(*SLEEP)
    gcp.wait_for(lambda _: executions()[0].state == "CANCELLED")
    assert executions()[0].cancelled == 1


def test_a_cancellation_whose_answer_is_lost_is_repeated_without_effect(bench, gcp, executions, interrupt):
    gcp.fault("CancelExecution", "UNAVAILABLE", when="after")
    bench.report.on_info = lambda message: interrupt() if ": running" in message else None
    with pytest.raises(interrupt.error):
        bench.run(*SLEEP)
    gcp.wait_for(lambda _: executions()[0].state == "CANCELLED")
    assert executions()[0].cancelled == 1


def test_a_cancellation_that_is_refused_is_told(bench, gcp, interrupt, executions):
    gcp.fault("CancelExecution", "PERMISSION_DENIED")
    bench.report.on_info = lambda message: interrupt() if ": running" in message else None
    with pytest.raises(interrupt.error):
        bench.run(*SLEEP)
    assert "may still be running" in bench.report.everything()
    assert "run.executions.cancel" in bench.report.everything()
    bench.clients().executions.cancel_execution(name=executions()[0].name)


def test_a_retry_goes_on_with_what_a_killed_attempt_left(bench, executions):
    name = bench.orphan("transform", "sleep=0.3")
    assert bench.run("transform", "sleep=0.3", execution=bench.execution(attempt=1)).remote_id == name
    assert len(executions()) == 1


def test_a_retry_takes_the_result_of_an_attempt_that_was_killed_before_it_knew(bench, gcp, executions):
    name = bench.orphan("transform")
    gcp.wait_for(lambda _: executions()[0].state == "SUCCEEDED")
    assert bench.run("transform", execution=bench.execution(attempt=2)).remote_id == name
    assert len(executions()) == 1


def test_a_retry_of_a_load_that_still_runs_moves_no_files(bench):
    """Nothing is recovered under the feet of a load that is at work: here, recovery would fail."""
    name = bench.orphan("load", "sleep=0.2")
    assert bench.run("load", "sleep=0.2", execution=bench.execution(attempt=1)).remote_id == name
    with pytest.raises(RecoveryError):
        bench.run("load", execution=bench.execution(attempt=1))


def test_a_retry_starts_anew_after_a_failure(bench, gcp, executions):
    bench.orphan("transform", "exit=1")
    gcp.wait_for(lambda _: executions()[0].state == "FAILED")
    with pytest.raises(CommandFailedError):
        bench.run("transform", "exit=1", execution=bench.execution(attempt=1))
    assert len(executions()) == 2


def test_a_retry_starts_anew_when_the_one_that_was_left_is_cancelled(bench, gcp, executions):
    name = bench.orphan("transform", "sleep=120")
    command = bench.clients().executions.cancel_execution

    def act(message):
        if "running" in message:
            bench.report.on_info = lambda _: None
            command(name=name)
            gcp.add_job(bench.job_name, max_retries=0, command=["/bin/true"])

    bench.report.on_info = act
    result = bench.run("transform", "sleep=120", execution=bench.execution(attempt=1))
    assert result.remote_id == executions()[1].name


@pytest.mark.parametrize("facts", [{"run_id": "run-0", "root_run_id": "run-0"}, {}])
def test_another_execution_of_the_step_is_ended_before_a_new_one_starts(bench, gcp, executions, facts):
    """This holds for one of the run that this one continues, and for one of another command of this run."""
    bench.orphan("transform", "sleep=29", **facts)
    execution = bench.execution(attempt=0 if facts else 1, resumed=bool(facts), root_run_id=facts.get("root_run_id"))
    bench.run("transform", execution=execution)
    assert [one.state for one in executions()] == ["CANCELLED", "SUCCEEDED"]


def test_executions_of_others_are_left_alone(bench, gcp, executions):
    bench.orphan("transform", "sleep=0.5", step="another_step")
    bench.orphan("transform", "sleep=0.5", run_id="another-run")
    bench.run("transform", execution=bench.execution(attempt=1))
    gcp.wait_for(lambda _: all(one.state == "SUCCEEDED" for one in executions()))
    assert [one.cancelled for one in executions()] == [0, 0, 0]


def test_the_same_command_twice_in_one_attempt_are_two_executions(bench, gcp, executions):
    """A check that polls does so; each lost answer is that of its own request."""
    gcp.fault("RunJob", "UNAVAILABLE", when="after", count=2)
    first, second = bench.run("preload"), bench.run("preload")
    assert first.remote_id != second.remote_id
    assert len(executions()) == 2


@pytest.mark.parametrize("text", ["", "run", "run/step", "run/step/x", "/step/0", "run//0", "run/0"])
def test_what_is_no_marker(text):
    from google.cloud import run_v2

    container = {"env": [{"name": "DAGSTER_STARLAKE_EXECUTION", "value": text}]}
    assert Marker.found_in(run_v2.Execution(template={"containers": [container]})) is None


def test_a_marker_is_read_as_it_was_written(bench):
    from google.cloud import run_v2

    marker = Marker.of(bench.execution(step="graph.load[a/b]", attempt=3, root_run_id="root"))
    env = [{"name": name, "value": value} for name, value in marker.environment.items()]
    assert Marker.found_in(run_v2.Execution(template={"containers": [{"env": env}]})) == marker


def test_what_runs_left_behind_is_found_and_ended(bench, gcp, executions):
    left = bench.orphan("transform", "sleep=120", root_run_id="the-root")
    bench.clients().run_jobs.run_job(request={"name": bench.job_name})  # somebody else's
    bench.run("transform")
    calls = Calls(bench.report, interval=0.02)
    (found,) = leftover_work(CloudRunJob(calls, bench.clients()))
    assert (found.kind, found.run_id) == ("execution", "the-root")
    assert left.endswith(found.name)
    (row,) = reap([found], older_than=0, is_over=lambda run_id: run_id == "the-root")
    assert row.action == "removed"
    gcp.wait_for(lambda _: executions()[0].state == "CANCELLED")
    assert list(leftover_work(CloudRunJob(calls, bench.clients()))) == []
