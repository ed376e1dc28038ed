"""Interruptions of a step that are one of its whole run: only then is the cluster of the run deleted."""

from __future__ import annotations

import pytest
from dagster import (
    DagsterInstance,
    GraphDefinition,
    JobDefinition,
    OpDefinition,
    Out,
    Output,
    execute_job,
    in_process_executor,
    reconstructable,
)

from ai.starlake.dagster.ops import run_is_ending

seen: list[bool] = []
ELSEWHERE = in_process_executor.configured({"retries": {"enabled": {}}}, name="elsewhere")
"""Stands for an executor that gives each step a machine of its own."""


def job_on(executor, *, cancelling):
    def ask(context, _inputs):
        if cancelling:
            context.instance.report_run_canceling(context.run)
        seen.append(run_is_ending(context))
        yield Output("", "result")

    op = OpDefinition(ask, name="ask", outs={"result": Out(str)})
    return JobDefinition(name="a_job", graph_def=GraphDefinition("a_graph", node_defs=[op]), executor_def=executor)


def here():
    return job_on(in_process_executor, cancelling=False)


def elsewhere():
    return job_on(ELSEWHERE, cancelling=False)


def elsewhere_and_cancelled():
    return job_on(ELSEWHERE, cancelling=True)


@pytest.mark.parametrize(("define", "ends"), [(here, True), (elsewhere, False), (elsewhere_and_cancelled, True)])
def test_only_the_end_of_the_run_counts(define, ends):
    seen.clear()
    with DagsterInstance.ephemeral() as instance, execute_job(reconstructable(define), instance):
        assert seen == [ends]
