"""What an execution of Cloud Run tells of itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud.run_v2 import Execution

_EXIT_CODE = re.compile(r"\b(?:exit(?:ed)?(?: with)?|code|status)\D{0,12}?(\d{1,3})\b", re.IGNORECASE)


def short(name: str) -> str:
    """The last part of the name of a resource."""
    return name.rpartition("/")[2]


def is_over(execution: Execution) -> bool:
    """Whether an execution runs no more, and will not again."""
    return bool(execution.completion_time)


def has_succeeded(execution: Execution) -> bool:
    """Whether every task of an execution that is over succeeded. One that was cancelled did not."""
    spoiled = execution.failed_count or execution.cancelled_count
    return is_over(execution) and not spoiled and execution.succeeded_count == max(1, execution.task_count)


def was_cancelled(execution: Execution) -> bool:
    """Whether an execution ended because somebody cancelled it."""
    return is_over(execution) and execution.cancelled_count > 0


def state_of(execution: Execution) -> str:
    """Where an execution is in its life, in words."""
    if is_over(execution):
        if has_succeeded(execution):
            return "succeeded"
        return "cancelled" if was_cancelled(execution) else "failed"
    if not execution.running_count and not execution.start_time:
        return "waiting for its start"
    again = f", begun again {execution.retried_count} time(s)" if execution.retried_count else ""
    return f"running{again}"


def verdict_of(execution: Execution) -> str:
    """What Cloud Run says about the end of an execution."""
    return next((one.message for one in execution.conditions if one.type_ == "Completed"), "")


def exit_code_of(execution: Execution) -> int:
    """What the command of an execution that failed exited with; 1 where Cloud Run does not tell."""
    found = _EXIT_CODE.search(verdict_of(execution))
    return int(found[1]) if found else 1


def longest(execution: Execution) -> float | None:
    """Seconds that the command of an execution may run, every attempt of Cloud Run's own counted; None for no limit."""
    timeout = execution.template.timeout
    seconds = timeout.total_seconds() if timeout else 0
    return seconds * (1 + execution.template.max_retries) or None
