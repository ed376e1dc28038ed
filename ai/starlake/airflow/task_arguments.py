"""Arguments of operators: those of Airflow are accepted, and a misspelt one is an error with the right name."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from typing import Any

from ai.starlake.airflow.airflow_options import as_duration
from ai.starlake.common import StarlakeError

_DURATIONS = ("retry_delay", "max_retry_delay", "execution_timeout")
_NOT_READ = frozenset({"cron", "events", "output_datasets", "scheduled", "source", "task_type"})
"""Ignored arguments that files for Starlake's own package pass."""
_OTHER = re.compile(r"[^\w.-]", re.ASCII)


def task_id_of(text: str) -> str:
    """Return a string as the id of a task: invalid characters become underscores."""
    return _OTHER.sub("_", text)


def operator_arguments(task_id: str, given: Mapping[str, Any], own: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the arguments of an operator, with converted durations.

    Args:
        task_id: The id of the task, for messages.
        given: The caller's arguments; durations may be numbers of seconds.
        own: Names of further arguments that the caller reads.

    Raises:
        StarlakeError: If an argument is neither Airflow's nor one of `own`, or is not a duration although it has to be.
    """
    arguments = {name: value for name, value in given.items() if name not in _NOT_READ}
    for name in arguments:
        if name not in own and name not in known_arguments():
            raise _unknown(task_id, name, own)
    for name in _DURATIONS:
        if arguments.get(name) is not None:
            try:
                arguments[name] = as_duration(name, arguments[name])
            except ValueError as error:
                raise StarlakeError(f"task {task_id}: {error}", fix="pass seconds, or a timedelta") from None
    return arguments


@functools.cache
def known_arguments() -> frozenset[str]:
    """Return the names of the arguments of every Airflow operator."""
    import inspect

    from airflow.sdk import BaseOperator

    names = inspect.signature(BaseOperator.__init__).parameters
    return frozenset(names) - {"self", "kwargs", "task_id"}


def _unknown(task_id: str, name: str, own: frozenset[str]) -> StarlakeError:
    known = sorted({*known_arguments(), *own})
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return StarlakeError(
        f"task {task_id}: {name} is not a known argument",
        cause=f"did you mean {near[0]}?" if near else None,
        fix=f"use an argument of Airflow's BaseOperator{', or ' + ', '.join(sorted(own)) if own else ''}; in a DAG "
        "file that another version of Starlake generated, generate it again with starlake-airflow generate",
    )
