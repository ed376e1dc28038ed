"""A run that is cancelled ends: no step of it is tried again, whatever retries it has."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from dagster import (
    DagsterRunStatus,
    GraphDefinition,
    JobDefinition,
    RetryPolicy,
)

from ai.starlake.dagster import ops
from ai.starlake.dagster.pipelines.job_steps import Steps
from tests.waiting import interrupt_when

RETRIES = {"retries": 2, "retry_delay": 0}


@pytest.fixture
def interrupts(fake, instance):
    """Interrupts this process when the first command runs; says before whether its run is to be cancelled."""
    fake.behave("load", sleep=300)
    with ExitStack() as watching:

        def start(*, cancelled=True, then_fast=False):
            def command_runs():
                if not fake.calls():
                    return False
                for run in instance.get_runs() if cancelled else ():
                    instance.report_run_canceling(run)
                if then_fast:
                    fake.behave("load")
                return True

            watching.enter_context(interrupt_when(command_runs))

        yield start


def job_of(*ops, **options):
    return JobDefinition(name="a_job", graph_def=GraphDefinition("a_job", node_defs=ops), **options)


def two_loads(factory, **options):
    job = factory(**options)
    return job.sl_load("first", "starbake", "Customers"), job.sl_load("second", "starbake", "Orders")


def outcome(job, instance):
    """Return the status of the run, the events of its steps, and whether it is known as interrupted."""
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    run = instance.get_run_by_id(result.run_id)
    entries = instance.all_logs(result.run_id)
    steps = Steps(["first", "second"])
    for entry in entries:
        steps(entry)
    events = [(entry.step_key, entry.dagster_event.event_type.value) for entry in entries if entry.is_dagster_event]
    return run.status, [event for event in events if event[0]], steps.interrupted


@pytest.mark.parametrize("options", [{}, RETRIES])
@pytest.mark.parametrize("cancelled", [True, False])
def test_an_interrupted_run_ends_as_dagster_has_it(factory, fake, instance, interrupts, options, cancelled):
    interrupts(cancelled=cancelled)
    status, events, interrupted = outcome(job_of(*two_loads(factory, **options)), instance)
    assert status is (DagsterRunStatus.CANCELED if cancelled else DagsterRunStatus.FAILURE)
    assert len(fake.calls()) == 1
    assert not {"STEP_UP_FOR_RETRY", "STEP_RESTARTED", "STEP_SUCCESS"} & {event for _, event in events}
    assert [event for event in events if event[1] == "STEP_START"] == [(events[0][0], "STEP_START")]
    assert interrupted


def test_a_retry_policy_of_the_job_does_not_begin_it_again_either(factory, fake, instance, interrupts):
    interrupts()
    job = job_of(*two_loads(factory), op_retry_policy=RetryPolicy(max_retries=3))
    status, events, interrupted = outcome(job, instance)
    assert status is DagsterRunStatus.CANCELED
    assert len(fake.calls()) == 1
    assert "STEP_UP_FOR_RETRY" not in {event for _, event in events}
    assert interrupted


def test_a_step_that_loses_its_machine_while_the_run_goes_on_is_tried_again(
    factory, fake, instance, interrupts, monkeypatch
):
    monkeypatch.setattr(ops, "_INTERRUPTED_WITH_THE_RUN", frozenset())  # as an executor with a machine for each step
    interrupts(cancelled=False, then_fast=True)
    first, _ = two_loads(factory, **RETRIES)
    status, events, interrupted = outcome(job_of(first), instance)
    assert status is DagsterRunStatus.SUCCESS
    assert ("first", "STEP_UP_FOR_RETRY") in events
    assert len(fake.calls()) == 2
    assert not interrupted


def test_a_failure_is_still_tried_again(factory, fake, instance):
    fake.behave("load", exit_codes=[1, 1, 0])
    first, _ = two_loads(factory, **RETRIES)
    status, _, interrupted = outcome(job_of(first), instance)
    assert status is DagsterRunStatus.SUCCESS
    assert not interrupted
