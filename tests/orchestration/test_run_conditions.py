"""Run conditions: under which outcomes of pre-load checks something runs."""

from __future__ import annotations

import pytest

from ai.starlake.job import TaskType
from ai.starlake.orchestration import AbstractTask
from ai.starlake.orchestration.ordering.run_conditions import ALWAYS, all_of, any_of, checks_of, without
from ai.starlake.orchestration.task_graph import TaskGraph


def check(name: str) -> AbstractTask[str]:
    return TaskGraph[str]("pipeline").add_task(name, name, TaskType.PRELOAD, name)


@pytest.fixture
def a():
    return check("a")


@pytest.fixture
def b():
    return check("b")


def test_of_no_conditions_all_and_any_always_hold():
    assert all_of([]) == any_of([]) == ALWAYS


def test_what_runs_anyway_once_runs_anyway(a):
    assert any_of([frozenset([a]), ALWAYS]) == ALWAYS


def test_equal_conditions_are_one(a, b):
    assert any_of([frozenset([a]), frozenset([a])]) == frozenset([a])
    assert all_of([frozenset([a]), frozenset([b])]) == all_of([frozenset([b]), frozenset([a])])


def test_the_checks_of_a_condition_are_those_of_its_alternatives_too(a, b):
    condition = all_of([frozenset([a]), any_of([frozenset([a]), frozenset([b])])])
    assert set(checks_of(condition)) == {a, b}


def test_what_does_not_matter_falls_away(a, b):
    assert without(frozenset([a, b]), [a]) == frozenset([b])
    assert without(any_of([frozenset([a]), frozenset([b])]), [a]) == ALWAYS
    assert without(all_of([any_of([frozenset([a]), frozenset([b])])]), []) == any_of([frozenset([a]), frozenset([b])])
