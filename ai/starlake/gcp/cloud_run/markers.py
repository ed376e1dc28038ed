"""How executions of Cloud Run are known again: by variables in their environment, which `ListExecutions` shows.

`RunJob` knows no request id. When its answer is lost, or the process that waited for an execution is killed, these
variables are the only way to find what was started.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai.starlake.executor.protocol import Execution

if TYPE_CHECKING:
    from google.cloud import run_v2

MARKER = "DAGSTER_STARLAKE_EXECUTION"
"""The variable that holds ``run/step/attempt``."""
ROOT = "DAGSTER_STARLAKE_ROOT_RUN"
"""The variable that holds the first of a chain of re-executions."""
REQUEST = "DAGSTER_STARLAKE_REQUEST"
"""The variable that tells one request from all others: an attempt may run a command several times."""


@dataclass(frozen=True)
class Marker:
    """What an execution was started for.

    Args:
        run_id: The run.
        step_key: The step of the run.
        attempt: The attempt at the step, from 0.
        root_run_id: The first of the chain of re-executions that the run belongs to.
        request: Another one for each command that is run.
    """

    run_id: str
    step_key: str
    attempt: int
    root_run_id: str
    request: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, execution: Execution) -> Marker:
        """The marker of one command in an attempt at a step."""
        return cls(execution.run_id, execution.step_key, execution.attempt, execution.root)

    @classmethod
    def found_in(cls, execution: run_v2.Execution) -> Marker | None:
        """The marker of an execution of Cloud Run; None when it has none: it is not ours."""
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
        """The variables that carry it."""
        return {MARKER: str(self), ROOT: self.root_run_id, REQUEST: self.request}

    def same_step(self, other: Marker) -> bool:
        """Whether another one is of the same step of the same chain of runs."""
        return (self.root_run_id, self.step_key) == (other.root_run_id, other.step_key)


def arguments_of(execution: run_v2.Execution) -> tuple[str, ...]:
    """The arguments of the container of an execution that carries the marker; none where no container does."""
    marked = (one for one in execution.template.containers if any(entry.name == MARKER for entry in one.env))
    return next((tuple(one.args) for one in marked), ())
