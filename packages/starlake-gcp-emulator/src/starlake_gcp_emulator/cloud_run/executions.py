"""Cloud Run's service ``Executions``."""

from __future__ import annotations

import secrets
import string
import uuid
from urllib.parse import quote

from google.cloud import run_v2 as run
from google.longrunning import operations_pb2

from starlake_gcp_emulator.cloud_run.execution_record import ExecutionRecord
from starlake_gcp_emulator.cloud_run.tasks import Task, TaskPlan
from starlake_gcp_emulator.errors import Code, invalid, not_found, refused
from starlake_gcp_emulator.state import checks
from starlake_gcp_emulator.state.messages import copy
from starlake_gcp_emulator.state.operations import Operation, Operations
from starlake_gcp_emulator.state.pages import page
from starlake_gcp_emulator.state.processes import Processes
from starlake_gcp_emulator.state.world import World

_MOST = 1000
_LETTERS = string.ascii_lowercase + string.digits


class Executions:
    """The executions of all jobs.

    Args:
        world: The shared state.
        operations: Store of long-running operations.
        processes: Processes of tasks.
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
            template: Template of its tasks, with overrides.
            tasks: Number of tasks.
            plan: Plan of the tasks.
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
        record.operation = self._operations.start(_location(name), lambda: copy(record.message))
        self._world.after(self._world.timing.start_execution, lambda: self._start(record))
        return record.operation

    def get(self, request: run.GetExecutionRequest) -> run.Execution:
        """GetExecution."""
        return copy(self._find(request.name).message)

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
        return run.ListExecutionsResponse(executions=[copy(one.message) for one in shown], next_page_token=token)

    def cancel(self, request: run.CancelExecutionRequest) -> operations_pb2.Operation:
        """CancelExecution; answers before its processes ended."""
        record = self._find(request.name)
        checks.etag(request.etag, record.message.etag)
        operation = self._operations.start(_location(request.name), lambda: copy(record.message))
        if request.validate_only:
            operation.succeed(copy(record.message))
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
        operation = self._operations.start(_location(request.name), lambda: copy(record.message))
        if request.validate_only:
            operation.succeed(copy(record.message))
            return operation.message()
        record.deleted = True
        record.message.delete_time = self._world.now()
        self._end(record)
        self._when_complete(record, operation)
        return operation.message()

    def of(self, job: str) -> list[ExecutionRecord]:
        """Return the executions of a job, the oldest first."""
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
            task.start(record.surroundings())
        self._refresh(record)

    def _end(self, record: ExecutionRecord) -> None:
        for task in record.tasks:
            task.cancel()
        self._refresh(record)

    def _refresh(self, record: ExecutionRecord) -> None:
        """Make the resource tell what its tasks came to."""
        record.refresh(self._world.now())
        if record.complete and record.operation is not None:
            self._conclude(record, record.operation)
            while record.waiting:
                record.waiting.pop().succeed(copy(record.message))

    def _conclude(self, record: ExecutionRecord, operation: Operation) -> None:
        """End the operation of `RunJob`. One that was cancelled ends well, as users report (apache/airflow#57791)."""
        if record.state == "FAILED":
            operation.fail(Code.UNKNOWN, record.detail)
        else:
            operation.succeed(copy(record.message))

    def _when_complete(self, record: ExecutionRecord, operation: Operation) -> None:
        """End an operation together with an execution."""
        if record.complete:
            operation.succeed(copy(record.message))
        else:
            record.waiting.append(operation)


def _any(job_id: str, record: ExecutionRecord) -> str:
    return record.message.job if job_id == "-" else job_id


def _location(name: str) -> str:
    return name.partition("/jobs/")[0]


def _log_uri(name: str) -> str:
    """Return the URL of the output of an execution."""
    _, project, _, location, _, job, _, execution = name.split("/")
    wanted = (
        f'resource.type="cloud_run_job"\nresource.labels.job_name="{job}"\n'
        f'labels."run.googleapis.com/execution_name"="{execution}"\nresource.labels.location="{location}"'
    )
    return f"https://console.cloud.google.com/logs/viewer?project={project}&advancedFilter={quote(wanted)}"
