"""Cloud Run's service ``Executions``."""

from __future__ import annotations

import secrets
import string
import uuid
from dataclasses import dataclass, field

from google.cloud import run_v2 as run
from google.longrunning import operations_pb2

from ai.starlake.testing.gcp import checks
from ai.starlake.testing.gcp.errors import Code, invalid, not_found, refused
from ai.starlake.testing.gcp.messages import copy
from ai.starlake.testing.gcp.operations import Operation, Operations
from ai.starlake.testing.gcp.pages import page
from ai.starlake.testing.gcp.processes import Processes
from ai.starlake.testing.gcp.tasks import LogLine, Task, TaskPlan
from ai.starlake.testing.gcp.views import ExecutionView
from ai.starlake.testing.gcp.world import World

_Condition = run.Condition
_MOST = 1000
_LETTERS = string.ascii_lowercase + string.digits


@dataclass
class ExecutionRecord:
    """An execution, and what its resource does not tell.

    Args:
        message: The resource, but for what follows from its tasks.
        created: When it was requested, by the clock.
        plan: What its tasks do.
        tasks: Its tasks.
        operation: The one that `RunJob` answered.
        log: What its tasks printed.
        cancelled: How often it was cancelled with effect.
        deleted: Whether its resource was deleted.
        started: Whether its tasks were begun.
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
        """Whether it ended."""
        return bool(self.message.completion_time)

    @property
    def parent(self) -> str:
        """The full name of its job."""
        return str(self.message.name).rpartition("/executions/")[0]

    def count(self, state: str) -> int:
        """How many tasks are in a state."""
        return sum(task.state == state for task in self.tasks)

    @property
    def state(self) -> str:
        """Where it is in its life."""
        if not self.complete:
            return "RUNNING" if self.started else "PENDING"
        if self.count("succeeded") == len(self.tasks):
            return "SUCCEEDED"
        return "CANCELLED" if self.cancelled else "FAILED"

    @property
    def detail(self) -> str:
        """What the service says of its state."""
        return next((one.message for one in self.message.conditions if one.type_ == "Completed"), "")

    def view(self) -> ExecutionView:
        """As tests see it."""
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


class Executions:
    """The executions of all jobs.

    Args:
        world: The shared state.
        operations: Where long-running operations are kept.
        processes: Where tasks run.
    """

    def __init__(self, world: World, operations: Operations, processes: Processes) -> None:
        self.records: list[ExecutionRecord] = []
        self._world = world
        self._operations = operations
        self._processes = processes

    def begin(self, job: run.Job, template: run.TaskTemplate, tasks: int, plan: TaskPlan) -> Operation:
        """Begins an execution.

        Args:
            job: The job.
            template: What its tasks are made from, overrides included.
            tasks: How many there are.
            plan: What they do.
        """
        job_id = job.name.rpartition("/")[2]
        name = f"{job.name}/executions/{job_id}-{''.join(secrets.choice(_LETTERS) for _ in range(5))}"
        message = run.Execution(
            name=name,
            uid=str(uuid.uuid4()),
            generation=1,
            labels=dict(job.template.labels),
            annotations=dict(job.template.annotations),
            create_time=self._world.now(),
            job=job_id,
            parallelism=job.template.parallelism,
            task_count=tasks,
            template=template,
            log_uri=_log_uri(name),
            etag=f'"{uuid.uuid4().hex}"',
        )
        record = ExecutionRecord(message, self._world.clock.now(), plan)
        record.tasks = [self._task(index, record) for index in range(tasks)]
        self.records.append(record)
        self._refresh(record)
        record.operation = self._operations.start(_location(name), lambda: self._shown(record))
        self._world.after(self._world.timing.start_execution, lambda: self._start(record))
        return record.operation

    def get(self, request: run.GetExecutionRequest) -> run.Execution:
        """GetExecution."""
        return self._shown(self._find(request.name))

    def listing(self, request: run.ListExecutionsRequest) -> run.ListExecutionsResponse:
        """ListExecutions of a job, or of all jobs when its id is ``-``; the newest first."""
        parent, _, job_id = request.parent.rpartition("/jobs/")
        if not parent or not job_id:
            raise invalid(f"Invalid parent {request.parent!r}")
        ours = [
            record
            for record in reversed(self.records)
            if not record.deleted and record.parent in (request.parent, f"{parent}/jobs/{_any(job_id, record)}")
        ]
        shown, token = page(ours, request.page_size, request.page_token, most=_MOST)
        return run.ListExecutionsResponse(executions=[self._shown(one) for one in shown], next_page_token=token)

    def cancel(self, request: run.CancelExecutionRequest) -> operations_pb2.Operation:
        """CancelExecution; answers before its processes ended."""
        record = self._find(request.name)
        checks.etag(request.etag, record.message.etag)
        operation = self._operations.start(_location(request.name), lambda: self._shown(record))
        if request.validate_only:
            operation.succeed(self._shown(record))
            return operation.message()
        if record.complete:
            raise refused(f"Execution {request.name} is already completed and cannot be cancelled")
        if not record.cancelled:
            record.cancelled += 1
            self._end(record)
        self._when_complete(record, operation)
        return operation.message()

    def delete(self, request: run.DeleteExecutionRequest) -> operations_pb2.Operation:
        """DeleteExecution; one that runs is ended."""
        record = self._find(request.name)
        checks.etag(request.etag, record.message.etag)
        operation = self._operations.start(_location(request.name), lambda: self._shown(record))
        if request.validate_only:
            operation.succeed(self._shown(record))
            return operation.message()
        record.deleted = True
        record.message.delete_time = self._world.now()
        self._end(record)
        self._when_complete(record, operation)
        return operation.message()

    def of(self, job: str) -> list[ExecutionRecord]:
        """The executions of a job, the oldest first."""
        return [record for record in self.records if record.parent == job and not record.deleted]

    def _find(self, name: str) -> ExecutionRecord:
        for record in self.records:
            if record.message.name == name and not record.deleted:
                return record
        raise not_found(f"Resource '{name}' was not found")

    def _task(self, index: int, record: ExecutionRecord) -> Task:
        return Task(
            index,
            record.plan,
            self._world,
            self._processes,
            on_line=record.log.append,
            on_change=lambda: self._go_on(record),
        )

    def _start(self, record: ExecutionRecord) -> None:
        if not record.complete:
            record.started = True
            record.message.start_time = self._world.now()
            self._go_on(record)

    def _go_on(self, record: ExecutionRecord) -> None:
        """Begins the tasks that there is room for; completes the execution after the last one."""
        room = (record.message.parallelism or len(record.tasks)) - record.count("running")
        for task in [task for task in record.tasks if task.state == "pending"][: max(room, 0)]:
            task.start(_surroundings(record))
        self._refresh(record)

    def _end(self, record: ExecutionRecord) -> None:
        for task in record.tasks:
            task.cancel()
        self._refresh(record)

    def _refresh(self, record: ExecutionRecord) -> None:
        """Makes the resource tell what its tasks came to."""
        message = record.message
        message.running_count = record.count("running")
        message.succeeded_count = record.count("succeeded")
        message.failed_count = record.count("failed")
        message.cancelled_count = record.count("cancelled")
        message.retried_count = sum(task.attempt for task in record.tasks)
        message.update_time = self._world.now()
        over = all(task.ended for task in record.tasks)
        message.reconciling = not over
        if over and not record.complete:
            message.completion_time = self._world.now()
        message.conditions = [_completed(record)]
        if over and record.operation is not None:
            self._conclude(record, record.operation)
            while record.waiting:
                record.waiting.pop().succeed(self._shown(record))

    def _conclude(self, record: ExecutionRecord, operation: Operation) -> None:
        """Ends the operation of `RunJob`. One that was cancelled ends well, as users report (apache/airflow#57791)."""
        if record.state == "FAILED":
            operation.fail(Code.UNKNOWN, record.detail)
        else:
            operation.succeed(self._shown(record))

    def _when_complete(self, record: ExecutionRecord, operation: Operation) -> None:
        """Ends an operation together with an execution."""
        if record.complete:
            operation.succeed(self._shown(record))
        else:
            record.waiting.append(operation)

    def _shown(self, record: ExecutionRecord) -> run.Execution:
        return copy(record.message)


def _completed(record: ExecutionRecord) -> run.Condition:
    """The condition that tells whether an execution is over, and why it failed."""
    condition = _Condition(type_="Completed", last_transition_time=record.message.update_time)
    if not record.complete:
        condition.state = _Condition.State.CONDITION_RECONCILING
        condition.message = "Execution is running." if record.started else "Waiting for execution to start."
    elif record.state == "SUCCEEDED":
        condition.state = _Condition.State.CONDITION_SUCCEEDED
        condition.message = "Execution completed successfully."
    else:
        condition.state = _Condition.State.CONDITION_FAILED
        condition.message, condition.execution_reason = _why(record)
    return condition


def _why(record: ExecutionRecord) -> tuple[str, run.Condition.ExecutionReason]:
    reasons = _Condition.ExecutionReason
    if record.deleted:
        return "The execution was deleted.", reasons.DELETED
    if record.cancelled:
        return "The execution was cancelled.", reasons.CANCELLED
    failed = next((task for task in record.tasks if task.state == "failed"), record.tasks[0])
    name = record.message.name.rpartition("/")[2]
    return f"Task {name}-task{failed.index} failed with message: {failed.detail}", reasons.NON_ZERO_EXIT_CODE


def _surroundings(record: ExecutionRecord) -> dict[str, str]:
    """The variables that Cloud Run sets in every container of a job, as its documentation lists them."""
    return {
        "CLOUD_RUN_JOB": record.message.job,
        "CLOUD_RUN_EXECUTION": record.message.name.rpartition("/")[2],
        "CLOUD_RUN_TASK_COUNT": str(len(record.tasks)),
    }


def _any(job_id: str, record: ExecutionRecord) -> str:
    return record.message.job if job_id == "-" else job_id


def _location(name: str) -> str:
    return name.partition("/jobs/")[0]


def _log_uri(name: str) -> str:
    """Where people read what an execution printed."""
    _, project, _, location, _, job, _, execution = name.split("/")
    wanted = (
        f'resource.type="cloud_run_job"%0Aresource.labels.job_name="{job}"%0A'
        f'labels."run.googleapis.com/execution_name"="{execution}"%0Aresource.labels.location="{location}"'
    )
    return f"https://console.cloud.google.com/logs/viewer?project={project}&advancedFilter={wanted}"
