"""No cron expression is accepted that Dagster refuses."""

import pytest
from dagster import DefaultScheduleStatus, ScheduleDefinition, job, op
from dagster._core.errors import DagsterInvalidDefinitionError
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common.crons import UsualCron, cron_identity, cron_problem, usual_cron

FIELDS = [
    *("*", "0", "5", "23", "24", "59", "60", "31", "30", "1", "12", "13", "7", "8", "*/5", "*/0", "0/5", "1-5", "5-1"),
    *("L", "l", "L5", "1#2", "1#6", "?", "mon", "MON-FRI", "jan", "feb", "1,2", "1,,2", "w", "15W", "LW", "29", "2"),
    *("4,6", "-1", "1-", "#", "r", "h", "a", "R/5", "6L", "@daily"),
]
USUAL = ["0 5 * * *", "*/15 1-3 * * *", "@daily", "0 0 L * *", "0 0 * * 1#2", "0 0 29 2 *"]


@op
def nothing():
    pass


@job
def a_job():
    nothing()


def is_accepted(expression):
    try:
        ScheduleDefinition(job=a_job, cron_schedule=expression, default_status=DefaultScheduleStatus.STOPPED)
    except DagsterInvalidDefinitionError:
        return False
    return True


@given(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=7).map(" ".join) | st.text(max_size=12))
def test_no_expression_is_accepted_that_dagster_refuses(expression):
    if cron_problem(expression) is None:
        assert is_accepted(expression)


@pytest.mark.parametrize(
    "expression", ["0 5 * * *", "*/15 1-3 * * *", "@daily", "0 0 L * *", "0 0 * * 1#2", "0 0 29 2 *"]
)
def test_usual_expressions_are_accepted(expression):
    assert cron_problem(expression) is None
    assert is_accepted(expression)


@pytest.mark.parametrize(
    "same", [("@daily", "0 0 * * *", "00 0 * * *", "0 0 ? * *"), ("0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "@weekly")]
)
def test_expressions_that_mean_the_same_have_one_identity(same):
    assert len({cron_identity(expression) for expression in same}) == 1


def test_expressions_that_mean_something_else_have_another_identity():
    others = ["0 0 * * *", "0 1 * * *", "0 0 1 * *", "0 0 * * 1", "0 0 * * 1#1", "0 0 * * L1", "0 0 L * *"]
    assert len({cron_identity(expression) for expression in others}) == len(others)


@pytest.mark.parametrize(
    ("expression", "usual"),
    [
        ("15 * * * *", UsualCron("hourly", 15)),
        ("30 6 * * *", UsualCron("daily", 30, 6)),
        ("0 6 * * mon", UsualCron("weekly", 0, 6, 1)),
        ("0 0 15 * *", UsualCron("monthly", 0, 0, 15)),
        *(
            (other, None)
            for other in ("0 0 31 * *", "0 6 * * 1-5", "0,30 * * * *", "0 0 1 1 *", "0 0 * * 1#1", "0 0 L * *")
        ),
        ("0 0 1 * 1", None),
    ],
)
def test_usual_expressions_are_known(expression, usual):
    assert usual_cron(expression) == usual
