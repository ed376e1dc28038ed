"""Run conditions over the outcomes of pre-load checks.

A condition is a set of clauses that must all hold: a check that found something to load, or a set of conditions of
which one must hold. Equal conditions are equal sets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ai.starlake.orchestration.task_graph import AbstractTask

CheckTask = AbstractTask[Any]
RunCondition = frozenset[Any]

ALWAYS: RunCondition = frozenset()


def all_of(conditions: Iterable[RunCondition]) -> RunCondition:
    """Return the condition that all of them hold."""
    return ALWAYS.union(*conditions)


def any_of(conditions: Iterable[RunCondition]) -> RunCondition:
    """Return the condition that one of them holds; for none, one that always holds."""
    distinct = frozenset(conditions)
    if not distinct or ALWAYS in distinct:
        return ALWAYS
    return next(iter(distinct)) if len(distinct) == 1 else frozenset([distinct])


def checks_of(condition: RunCondition) -> Iterator[CheckTask]:
    """Yield the checks in a condition."""
    for clause in condition:
        if isinstance(clause, AbstractTask):
            yield clause
        else:
            for alternative in clause:
                yield from checks_of(alternative)


def without(condition: RunCondition, checks: Collection[CheckTask]) -> RunCondition:
    """Return a condition without some checks."""
    return all_of(_without(clause, checks) for clause in condition)


def _without(clause: Any, checks: Collection[CheckTask]) -> RunCondition:
    if isinstance(clause, AbstractTask):
        return ALWAYS if clause in checks else frozenset([clause])
    return any_of(without(alternative, checks) for alternative in clause)
