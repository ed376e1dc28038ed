"""Read Cloud Run executions: their states, and the markers that identify them.

`RunJob` has no request id. If its answer is lost, or the process that waited for an execution is killed, variables in
the environment of the execution, which `ListExecutions` shows, are the only way to find it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai.starlake.executor.protocol import Execution
from ai.starlake.executor.remote.remote_backend import Phase, RemoteState

if TYPE_CHECKING:
    from google.cloud import run_v2

_EXIT_CODE = re.compile(r"\b(?:exit(?:ed)?(?: with)?|code|status)\D{0,12}?(\d{1,3})\b", re.IGNORECASE)

MARKER = "DAGSTER_STARLAKE_EXECUTION"
"""Variable with ``run/step/attempt``."""
ROOT = "DAGSTER_STARLAKE_ROOT_RUN"
"""Variable with the first run of a chain of re-executions."""
REQUEST = "DAGSTER_STARLAKE_REQUEST"
"""Variable that identifies one request: an attempt may run a command several times."""


@dataclass(frozen=True)
class Marker:
    """The attempt that an execution was started for.

    Args:
        run_id: The run.
        step_key: The step of the run.
        attempt: The attempt at the step, from 0.
        root_run_id: The first run of the chain of re-executions.
        request: A new one for each command.
    """

    run_id: str
    step_key: str
    attempt: int
    root_run_id: str
    request: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, execution: Execution) -> Marker:
        """Return the marker of one command in an attempt at a step."""
        return cls(execution.run_id, execution.step_key, execution.attempt, execution.root)

    @classmethod
    def found_in(cls, execution: run_v2.Execution) -> Marker | None:
        """Return the marker of an execution; None if it has none, and is not ours."""
        containers = execution.template.containers
        variables = {entry.name: entry.value for container in containers for entry in container.env}
        parts = variables.get(MARKER, "").split("/")
        run_id, step, attempt = parts[0], "/".join(parts[1:-1]), parts[-1]
        if not run_id or not step or not attempt.isdecimal():
            return None
        return cls(run_id, step, int(attempt), variables.get(ROOT) or run_id, variables.get(REQUEST, ""))

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step_key}/{self.attempt}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that hold the marker."""
        return {MARKER: str(self), ROOT: self.root_run_id, REQUEST: self.request}


def arguments_of(execution: run_v2.Execution) -> tuple[str, ...]:
    """Return the arguments of the container with the marker; empty if no container has it."""
    marked = (one for one in execution.template.containers if any(entry.name == MARKER for entry in one.env))
    return next((tuple(one.args) for one in marked), ())


def short(name: str) -> str:
    """Return the last part of the name of a resource."""
    return name.rpartition("/")[2]


def is_over(execution: run_v2.Execution) -> bool:
    """Return True if an execution has ended, and will not run again."""
    return bool(execution.completion_time)


def has_succeeded(execution: run_v2.Execution) -> bool:
    """Return True if every task of an ended execution succeeded, and it was not cancelled."""
    spoiled = execution.failed_count or execution.cancelled_count
    return is_over(execution) and not spoiled and execution.succeeded_count == max(1, execution.task_count)


def state_of(execution: run_v2.Execution) -> RemoteState:
    """Return the state of an execution.

    A load that Cloud Run itself retried found no files then: its success does not count.
    """
    verdict = next((one.message for one in execution.conditions if one.type_ == "Completed"), "")
    if not is_over(execution):
        return RemoteState(Phase.ACTIVE, _progress_of(execution), native=execution)
    if has_succeeded(execution) and not (execution.retried_count and arguments_of(execution)[:1] == ("load",)):
        return RemoteState(Phase.SUCCEEDED, "succeeded", 0, verdict, execution)
    if has_succeeded(execution):
        fix = without_retries(execution)
        problem = f"the load failed, and Cloud Run began it again without its files. To prevent that: {fix}"
        return RemoteState(Phase.FAILED, "succeeded", 1, problem, execution)
    code = _EXIT_CODE.search(verdict)
    cancelled = execution.cancelled_count > 0
    phase, text = (Phase.CANCELLED, "cancelled") if cancelled else (Phase.FAILED, "failed")
    return RemoteState(phase, text, int(code[1]) if code else 1, verdict, execution)


def without_retries(execution: run_v2.Execution) -> str:
    """Return the overrides that tell Cloud Run not to retry the executions of a job."""
    project, region, job = (str(execution.name).split("/")[place] for place in (1, 3, 5))
    update = f"gcloud run jobs update {job} --max-retries 0 --region {region} --project {project}"
    return f"`{update}`: use the retries of the orchestrator instead (option retries)"


def _progress_of(execution: run_v2.Execution) -> str:
    if not execution.running_count and not execution.start_time:
        return "waiting for its start"
    again = f", begun again {execution.retried_count} time(s)" if execution.retried_count else ""
    return f"running{again}"


def longest(execution: run_v2.Execution) -> float | None:
    """Return the seconds that the command of an execution may run; None for no limit.

    Retries of Cloud Run are included.
    """
    timeout = execution.template.timeout
    seconds = timeout.total_seconds() if timeout else 0
    return seconds * (1 + execution.template.max_retries) or None
