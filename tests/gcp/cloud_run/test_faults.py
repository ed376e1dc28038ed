"""The fault matrix of Cloud Run: each fault, before and after the side effect of each call.

For any fault: no execution is left, none is duplicated, no failure is reported as success and no success as failure of
the command.
"""

from __future__ import annotations

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor import CommandFailedError
from ai.starlake.gcp.client.google_errors import PermissionDeniedError
from ai.starlake.gcp.cloud_run.backend import LostAnswerError

METHODS = ("RunJob", "GetExecution", "ListExecutions", "CancelExecution", "WaitOperation", "ListLogEntries")
ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}


def outcome(bench, action):
    """Return the outcome for a user, in the words of the table."""
    try:
        said = action()
    except PermissionDeniedError as error:
        return f"fails, names {error.fix.split()[3].rstrip(';')}"
    except LostAnswerError:
        return "fails: start unknown"
    except CommandFailedError:
        return "the command failed"
    except StarlakeError:
        return "fails"
    return said or ("succeeds, with a warning" if bench.report.warnings else "succeeds")


def require_nothing_wrong(gcp, executions, most):
    """No execution is left, and there are not too many."""
    gcp.wait_for(lambda _: {one.state for one in executions()} <= ENDED)
    assert len(executions()) <= most
    assert max((one.cancelled for one in executions()), default=0) <= 1


def runs(bench, gcp, executions, **options):
    """Run a command that runs until it was seen at work."""
    bench.end_when(": waiting", ": running")
    result = bench.run("transform", bench.until_ended, **options)
    assert next(one for one in executions() if one.name == result.remote_id).state == "SUCCEEDED"


def goes_on(bench, gcp, executions):
    """Try again, and find the execution of an attempt that was killed."""
    orphan = bench.orphan("transform", "sleep=0.1")
    result = bench.run("transform", "sleep=0.1", execution=bench.execution(attempt=1))
    assert result.remote_id == orphan


def is_interrupted(bench, gcp, executions):
    class Interruption(BaseException):
        pass

    def act(message):
        if ": running" in message:
            raise Interruption

    bench.report.on_info = act
    with pytest.raises(Interruption):
        bench.run("transform", bench.until_ended)
    bench.end()
    gcp.wait_for(lambda _: executions()[-1].state in ENDED)
    if executions()[-1].state == "CANCELLED":
        return "is cancelled"
    assert "may still be running" in bench.report.everything()
    return "continues, with a warning"


SCENARIOS = {
    "RunJob": runs,
    "GetExecution": runs,
    "ListExecutions": goes_on,
    "CancelExecution": is_interrupted,
    "WaitOperation": lambda *parts: runs(*parts, cloud_run_async=False),
    "ListLogEntries": lambda *parts: runs(*parts, cloud_run_logs="all"),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.slow
def test_faults(bench, gcp, executions, outcome_table, method, when):
    table = outcome_table("Cloud Run")
    outcomes = {}
    for most, code in enumerate(table.codes, 1):
        bench.fresh()
        gcp.fault(method, code, when=when)
        outcomes[code] = outcome(bench, lambda: SCENARIOS[method](bench, gcp, executions))
        gcp.clear_faults()
        assert [call.method for call in gcp.journal[gcp.before[1] :] if call.injected] == [method] * most
        require_nothing_wrong(gcp, executions, most)
    table.require(method, when, outcomes)


def test_the_table_is_complete(outcome_table):
    outcome_table("Cloud Run").require_only(METHODS)
