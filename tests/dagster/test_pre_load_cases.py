"""Make by Dagster's op the decisions that every orchestrator makes alike; see tests/airflow for Airflow's sensor."""

from __future__ import annotations

import pytest
from dagster import RetryPolicy

from ai.starlake.dagster.pre_load_op import READY, SKIPPED
from ai.starlake.job import StarlakePreLoadStrategy
from tests.orchestration.pre_load_cases import CASES, RUN_DATE, PreLoadCase

OUTCOMES = {(READY,): "loaded", (SKIPPED,): "skipped"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_decision(case: PreLoadCase, factory, project, fake, run, logged, failure_of):
    case.set_up(project, fake)
    options = {"ack_wait_timeout": 0, "retries": 1, "retry_delay": 0, **case.options}
    job = factory(case.strategy, env=dict(case.env), **options)
    op = job.pre_load_check("starbake", case.tables, StarlakePreLoadStrategy(case.strategy))
    assert isinstance(op.retry_policy, RetryPolicy)
    config = {"ops": {op.name: {"config": {"logical_datetime": RUN_DATE.isoformat()}}}}
    result = run(op, run_config=config, tags={"starlake/dry_run": "true"} if case.dry_run else None)
    made = tuple(e.event_specific_data.output_name for e in result.all_events if e.is_successful_output)
    outcome = OUTCOMES[made] if result.success else "failed"
    text = "\n".join([*logged(result), failure_of(result) if outcome == "failed" else ""])
    assert outcome == case.outcome, text
    assert case.says in text
    case.check_files(project)
    if outcome == "failed":
        tried_again = any(e.event_type_value == "STEP_UP_FOR_RETRY" for e in result.all_events)
        assert tried_again is case.retries
    if case.dry_run:
        assert not fake.calls()
