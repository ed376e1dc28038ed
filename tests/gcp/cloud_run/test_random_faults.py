"""Random sequences of faults: nothing leaks, nothing is doubled, and no result is false."""

from __future__ import annotations

import itertools
import random

import pytest
import tenacity

from ai.starlake.common import StarlakeError
from ai.starlake.executor import CommandFailedError

METHODS = ("RunJob", "GetExecution", "ListExecutions", "CancelExecution")
CODES = ("UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "UNKNOWN", "CANCELLED")
SEQUENCES, BATCHES = 150, 5
ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}


class Interruption(BaseException):
    """An exception that Dagster raises at any time."""


def order_faults(gcp, choice):
    for method in METHODS:
        for _ in range(choice.randrange(3)):
            code, when = choice.choice(CODES), choice.choice(("before", "after"))
            gcp.fault(method, code, when=when, count=choice.randint(1, 3))


def interrupt_sometimes(bench, choice):
    """Lets the step be interrupted when something is said; returns whether it is."""
    moment = choice.choice([None, None, "its log:", ": running", "trying again", "the answer was"])

    def act(message):
        if moment in message or ": running" in message:
            bench.report.on_info = lambda _: None
            raise Interruption

    if moment is not None:
        bench.report.on_info = act
    return moment is not None


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_faults(bench, gcp, executions, batch):
    for seed in range(batch, SEQUENCES, BATCHES):
        choice = random.Random(seed)
        bench.fresh()
        before = len(executions())
        code = choice.choice([0, 0, 3])
        order_faults(gcp, choice)
        seconds = 120 if interrupt_sometimes(bench, choice) else 0.02  # an interrupted one is cancelled
        said = what_is_said(bench, ("transform", f"sleep={seconds}", f"exit={code}"))
        gcp.clear_faults()
        gcp.wait_for(lambda _, before=before: {one.state for one in executions()[before:]} <= ENDED)
        check(executions()[before:], said, seed)


def what_is_said(bench, arguments):
    """Return the outcome of the step, and the execution that it names."""
    attempts = itertools.count()

    def attempt():
        try:
            return "success", bench.run(*arguments, execution=bench.execution(attempt=next(attempts))).remote_id
        except Interruption:
            return "interrupted", None
        except CommandFailedError as error:
            return "failure", error.remote_id

    retries = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(StarlakeError), stop=tenacity.stop_after_attempt(9)
    )
    return retries(attempt)


def check(executions, said, seed):
    how, name = said
    ran_to_their_end = [one for one in executions if one.state != "CANCELLED"]
    assert len(ran_to_their_end) == (how != "interrupted"), f"seed {seed}: left behind, or doubled"
    assert all(one.cancelled <= 1 for one in executions), f"seed {seed}: cancelled twice"
    if how == "interrupted":
        return
    own = next(one for one in executions if one.name == name)
    assert own.state == {"success": "SUCCEEDED", "failure": "FAILED"}[how], f"seed {seed}: a false result"
