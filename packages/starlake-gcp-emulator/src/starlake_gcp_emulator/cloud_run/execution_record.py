"""The emulator's record of an execution of a Cloud Run job."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from google.cloud import run_v2 as run

from starlake_gcp_emulator.cloud_run.tasks import LogLine, Task, TaskPlan
from starlake_gcp_emulator.state.operations import Operation
from starlake_gcp_emulator.views import ExecutionView

_Condition = run.Condition


@dataclass
class ExecutionRecord:
    """An execution, and what its resource does not tell.

    Args:
        message: The resource, but for what follows from its tasks.
        created: Time of the request, by the clock.
        plan: Plan of its tasks.
        tasks: Its tasks.
        operation: The one that `RunJob` answered.
        log: Output of its tasks.
        cancelled: Number of cancellations that had an effect.
        deleted: True if its resource was deleted.
        started: True if its tasks were begun.
        waiting: The operations that end when it does, whatever it comes to.
    """

    message: run.Execution
    created: float
    plan: TaskPlan
    tasks: list[Task] = field(default_factory=list)
    operation: Operation | None = None
    log: list[LogLine] = field(default_factory=list)
    cancelled: int = 0
    deleted: bool = False
    started: bool = False
    waiting: list[Operation] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True if it ended."""
        return bool(self.message.completion_time)

    @property
    def parent(self) -> str:
        """The full name of its job."""
        return str(self.message.name).rpartition("/executions/")[0]

    def count(self, state: str) -> int:
        """Return the number of tasks in a state."""
        return sum(task.state == state for task in self.tasks)

    @property
    def state(self) -> str:
        """Current state."""
        if not self.complete:
            return "RUNNING" if self.started else "PENDING"
        if self.count("succeeded") == len(self.tasks):
            return "SUCCEEDED"
        return "CANCELLED" if self.cancelled else "FAILED"

    @property
    def detail(self) -> str:
        """Message of the service about its state."""
        return next((one.message for one in self.message.conditions if one.type_ == "Completed"), "")

    def view(self) -> ExecutionView:
        """Return the execution for tests."""
        first = self.tasks[0]
        return ExecutionView(
            name=self.message.name,
            job=self.parent,
            state=self.state,
            exit_code=first.exit_code,
            argv=tuple(self.plan.argv),
            env=dict(self.plan.env),
            attempt=first.attempt,
            cancelled=self.cancelled,
            tasks=len(self.tasks),
            succeeded=self.count("succeeded"),
            failed=self.count("failed"),
            output=tuple(line.text for line in self.log),
            created=self.created,
            detail=self.detail,
        )

    def surroundings(self) -> dict[str, str]:
        """Return the variables that Cloud Run sets in every container of a job, as its documentation lists them."""
        return {
            "CLOUD_RUN_JOB": self.message.job,
            "CLOUD_RUN_EXECUTION": self.message.name.rpartition("/")[2],
            "CLOUD_RUN_TASK_COUNT": str(len(self.tasks)),
        }

    def refresh(self, now: datetime) -> None:
        """Make the resource tell what its tasks came to."""
        message = self.message
        message.running_count = self.count("running")
        message.succeeded_count = self.count("succeeded")
        message.failed_count = self.count("failed")
        message.cancelled_count = self.count("cancelled")
        message.retried_count = sum(task.attempt for task in self.tasks)
        message.update_time = now
        over = all(task.ended for task in self.tasks)
        message.reconciling = not over
        if over and not self.complete:
            message.completion_time = now
        message.conditions = [self._completed()]

    def _completed(self) -> run.Condition:
        """Return the condition that tells whether it is over, and why it failed."""
        condition = _Condition(type_="Completed", last_transition_time=self.message.update_time)
        if not self.complete:
            condition.state = _Condition.State.CONDITION_RECONCILING
            condition.message = "Execution is running." if self.started else "Waiting for execution to start."
        elif self.state == "SUCCEEDED":
            condition.state = _Condition.State.CONDITION_SUCCEEDED
            condition.message = "Execution completed successfully."
        else:
            condition.state = _Condition.State.CONDITION_FAILED
            condition.message, condition.execution_reason = self._why()
        return condition

    def _why(self) -> tuple[str, run.Condition.ExecutionReason]:
        reasons = _Condition.ExecutionReason
        if self.deleted:
            return "The execution was deleted.", reasons.DELETED
        if self.cancelled:
            return "The execution was cancelled.", reasons.CANCELLED
        failed = next((task for task in self.tasks if task.state == "failed"), self.tasks[0])
        name = self.message.name.rpartition("/")[2]
        return f"Task {name}-task{failed.index} failed with message: {failed.detail}", reasons.NON_ZERO_EXIT_CODE
