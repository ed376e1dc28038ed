"""Pipelines that Python code runs: `pipeline.run`, `dry_run` and `backfill`, and what they report."""

from __future__ import annotations

import runpy
from datetime import date, datetime, timezone

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration.pipeline_runs import RunOptions, StepState


@pytest.fixture
def pipeline(dag_file):
    def make(name="my_dag", **arguments):
        (made,) = runpy.run_path(str(dag_file(name, **arguments)))["orchestration"].pipelines
        return made

    return make


def test_a_run_is_reported_step_by_step(pipeline, fake):
    told = []
    report = pipeline("kpis").runs.execute(None, RunOptions(listener=lambda step: told.append((step.name, step.state))))
    assert report.success
    assert [step.name for step in report.steps] == ["start", "kpi_margin_task", "end"]
    assert told[2:4] == [("kpi_margin_task", StepState.RUNNING), ("kpi_margin_task", StepState.SUCCEEDED)]
    transform = report.steps[1]
    assert transform.commands == (f"starlake {' '.join(fake.calls()[0].argv)}",)
    assert transform.seconds > 0
    assert transform.detail.startswith("transform kpi.margin: ")


def test_a_failed_run_is_reported(pipeline, fake):
    fake.behave("transform", exit_codes=[3])
    report = pipeline("kpis").run()
    assert not report.success
    assert [step.state for step in report.steps] == [StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED]
    assert "failed with exit code 3" in report.steps[1].detail


def test_a_retry_is_no_failure(pipeline, fake):
    fake.behave("transform", exit_codes=[1, 0])
    report = pipeline("kpis", retries="1", retry_delay="0").run()
    assert report.success
    assert report.steps[1].state is StepState.SUCCEEDED
    assert len(fake.calls()) == 2


def test_a_run_for_a_day_with_options(pipeline, fake):
    report = pipeline(schedules=[("None", "@daily")]).run(date(2026, 3, 1), x="1")
    assert report.date.partition == "2026-03-01T00:00:00+0000"
    assert {(call.value_of("--scheduledDate"), call.options["x"]) for call in fake.calls()} == {
        ("2026-03-01T00:00:00+0000", "1")
    }


def test_a_dry_run_plans(pipeline, fake):
    report = pipeline(schedules=[("None", "@daily")], pre_load_strategy="pending").dry_run(date(2026, 3, 1))
    assert fake.calls() == []
    planned = [step for step in report.steps if step.state is StepState.PLANNED]
    assert [len(step.commands) for step in planned] == [1, 1]


def test_a_backfill_ends_at_the_first_failure(pipeline, fake):
    fake.behave("transform", exit_codes=[0, 1, 0])
    reports = pipeline("kpis").backfill(date(2026, 1, 1), datetime(2026, 1, 3, tzinfo=timezone.utc))
    assert [report.success for report in reports] == [True, False]
    assert len(pipeline("kpis").backfill(date(2026, 1, 1), datetime(2026, 1, 3, tzinfo=timezone.utc))) == 3


def test_a_pipeline_whose_first_partition_is_not_over_has_no_run_yet(pipeline):
    with pytest.raises(StarlakeError, match="no partition that is over"):
        pipeline(schedules=[("None", "@yearly")], start_date=f"{datetime.now(timezone.utc):%Y-%m-%d}").run()


@pytest.mark.parametrize("moment", [datetime(2026, 3, 1, 12, tzinfo=timezone.utc), datetime(2026, 3, 1, 12)])  # noqa: DTZ001
def test_a_moment_at_which_no_partition_begins_is_refused(pipeline, moment):
    with pytest.raises(StarlakeError, match="no partition"):
        pipeline(schedules=[("None", "@daily")]).run(moment)


def test_a_graph_has_the_steps_of_the_job_and_their_order(pipeline):
    graph = pipeline(schedules=[("None", None)], pre_load_strategy="pending").runs.graph()
    check = "starbake.check_starbake_pending_files"
    loads = ["starbake.load_starbake_Customers", "starbake.load_starbake_Orders"]
    assert {step.name for step in graph.steps} == {"start", "end", check, *loads}
    assert {("start", check), *((check, load) for load in loads), *((load, "end") for load in loads)} <= set(
        graph.edges
    )
    assert next(node for node in graph.steps if node.name == check).groups == ("starbake",)
