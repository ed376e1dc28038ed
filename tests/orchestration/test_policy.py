"""The policy of a pipeline that waits for data, according to its options."""

from __future__ import annotations

from datetime import date

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration import OrchestrationOptions
from ai.starlake.orchestration.freshness.policy import TriggerDataset, cycle_of, policy_of
from ai.starlake.orchestration.orchestration_options import CYCLES
from ai.starlake.project.models import BUILTIN_SCHEDULES

DAILY, HOURLY = TriggerDataset("a.x", cron="0 0 * * *"), TriggerDataset("a.y", cron="0 * * * *")


def options(**given):
    return OrchestrationOptions.read(given)


def test_without_options_any_dataset_since_2025_starts_a_run_at_most_every_quarter_of_an_hour():
    policy = policy_of([DAILY, HOURLY], options())
    assert (str(policy.condition), policy.cycle, policy.min_between_runs) == ("a.x | a.y", None, 900)
    assert policy.start == date(2025, 1, 1)
    assert policy.every == HOURLY.cron


def test_options_are_taken_over():
    policy = policy_of(
        [DAILY, HOURLY],
        options(dataset_triggering_strategy="all", start_date="2026-03-01", missed_intervals="skip", catchup="true"),
    )
    assert (str(policy.condition), policy.start) == ("a.x & a.y", date(2026, 3, 1))
    assert (policy.every_interval, policy.catchup) == (False, True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"data_cycle_enabled": "true"}, HOURLY.cron),
        ({"data_cycle_enabled": "true", "data_cycle": "weekly"}, "0 0 * * 0"),
        ({"data_cycle": "weekly"}, None),
    ],
)
def test_the_data_cycle_is_the_named_one_or_that_of_the_data(given, expected):
    assert cycle_of([DAILY, HOURLY], options(**given)) == expected


def test_presets_of_schedules_and_data_cycles_differ_in_the_first_day_of_the_week():
    """Both are Starlake's: the one of its command line, the other of its orchestration library."""
    differing = {name for name in CYCLES | BUILTIN_SCHEDULES if CYCLES.get(name) != BUILTIN_SCHEDULES.get(name)}
    assert differing == {"weekly"}
    assert (BUILTIN_SCHEDULES["weekly"], CYCLES["weekly"]) == ("0 0 * * 1", "0 0 * * 0")


def test_a_dataset_without_a_schedule_leaves_the_cycle_open():
    assert cycle_of([DAILY, TriggerDataset("a.z")], options(data_cycle_enabled="true")) is None


def test_a_pipeline_without_datasets_cannot_wait():
    with pytest.raises(StarlakeError, match="depends on no dataset"):
        policy_of([], options())


def test_a_cron_expression_of_a_dataset_that_cannot_be_used_is_named():
    with pytest.raises(StarlakeError, match=r"61 \* \* \* \*"):
        policy_of([TriggerDataset("a.x", cron="61 * * * *")], options())
