"""Cloud Run's service ``Jobs``."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta

from google.cloud import run_v2 as run
from google.longrunning import operations_pb2

from starlake_gcp_emulator.cloud_run.executions import Executions
from starlake_gcp_emulator.cloud_run.tasks import TaskPlan
from starlake_gcp_emulator.errors import Code, RpcError, invalid, not_found, refused
from starlake_gcp_emulator.state import checks
from starlake_gcp_emulator.state.messages import copy, plain
from starlake_gcp_emulator.state.operations import Operations
from starlake_gcp_emulator.state.pages import page
from starlake_gcp_emulator.state.secret_versions import Secrets
from starlake_gcp_emulator.state.world import World

_TIMEOUT, _MAX_RETRIES, _LONGEST = 600, 3, 7 * 24 * 60 * 60
_MOST = 1000
_MOST_RETRIES, _MOST_TASKS = 10, 10_000


class RunJobs:
    """The jobs of all projects and locations.

    Args:
        world: The shared state.
        operations: Store of long-running operations.
        executions: Store of executions.
        command: Replacement for the entry point of every image.
        secrets: Source of the values of variables that refer to Secret Manager.
    """

    def __init__(
        self, world: World, operations: Operations, executions: Executions, command: Sequence[str], secrets: Secrets
    ) -> None:
        self._world = world
        self._operations = operations
        self._executions = executions
        self._command = tuple(command)
        self._secrets = secrets
        self._jobs: dict[str, run.Job] = {}

    def deploy(self, job: run.Job) -> run.Job:
        """Make a job, or replace the one of the same name."""
        location, _, job_id = job.name.rpartition("/jobs/")
        checks.run_job_id(job_id)
        if len(location.split("/")) != 4:  # noqa: PLR2004
            raise invalid(f"Invalid name {job.name!r}: projects/P/locations/L/jobs/J is expected")
        _check_job(job)
        before = self._jobs.get(job.name)
        made = copy(job)
        made.uid = before.uid if before else str(uuid.uuid4())
        made.generation = before.generation + 1 if before else 1
        made.observed_generation = made.generation
        made.create_time = before.create_time if before else self._world.now()
        made.update_time = self._world.now()
        made.etag = f'"{uuid.uuid4().hex}"'
        template = made.template.template
        made.template.task_count = made.template.task_count or 1
        if not plain(template).HasField("timeout"):
            plain(template).timeout.seconds = _TIMEOUT
        if plain(template).WhichOneof("retries") is None:
            template.max_retries = _MAX_RETRIES
        made.terminal_condition = run.Condition(type_="Ready", state=run.Condition.State.CONDITION_SUCCEEDED)
        self._jobs[made.name] = made
        return made

    def create(self, request: run.CreateJobRequest) -> operations_pb2.Operation:
        """CreateJob."""
        name = f"{request.parent}/jobs/{request.job_id}"
        if request.job.name not in ("", name):
            raise invalid(f"Invalid job.name {request.job.name!r}: it is {name!r}, or left out")
        if name in self._jobs:
            raise RpcError(Code.ALREADY_EXISTS, f"Resource '{request.job_id}' already exists.")
        job = copy(request.job)
        job.name = name
        return self._change(job, only_check=request.validate_only)

    def update(self, request: run.UpdateJobRequest) -> operations_pb2.Operation:
        """UpdateJob: the new definition replaces the old one."""
        if request.job.name not in self._jobs and not request.allow_missing:
            raise not_found(f"Resource '{request.job.name}' was not found")
        return self._change(request.job, only_check=request.validate_only)

    def get(self, request: run.GetJobRequest) -> run.Job:
        """GetJob."""
        return self._shown(self._find(request.name))

    def listing(self, request: run.ListJobsRequest) -> run.ListJobsResponse:
        """ListJobs of a location."""
        ours = [job for name, job in self._jobs.items() if name.startswith(f"{request.parent}/jobs/")]
        shown, token = page(ours, request.page_size, request.page_token, most=_MOST)
        return run.ListJobsResponse(jobs=[self._shown(job) for job in shown], next_page_token=token)

    def delete(self, request: run.DeleteJobRequest) -> operations_pb2.Operation:
        """DeleteJob; its executions go with it."""
        job = self._find(request.name)
        checks.etag(request.etag, job.etag)
        operation = self._operations.start(_location(job.name), lambda: job)
        if not request.validate_only:
            for record in self._executions.of(job.name):
                self._executions.delete(run.DeleteExecutionRequest(name=record.message.name))
            del self._jobs[job.name]
        operation.succeed(job)
        return operation.message()

    def execute(self, request: run.RunJobRequest) -> operations_pb2.Operation:
        """RunJob: begins an execution; there is no request id, each call begins another one."""
        job = self._find(request.name)
        checks.etag(request.etag, job.etag)
        template, tasks = _overridden(job, request.overrides)
        container = template.containers[0]
        argv = (*(container.command or self._command), *container.args)
        if not argv:
            raise refused(f"Job {job.name} has no command, and the emulator stands for no image's entry point")
        plan = TaskPlan(
            argv=argv,
            env={variable.name: self._value(variable, job.name) for variable in container.env},
            timeout=template.timeout.total_seconds(),
            max_retries=template.max_retries,
        )
        if request.validate_only:
            operation = self._operations.start(_location(job.name), run.Execution)
            operation.succeed(run.Execution())
            return operation.message()
        return self._executions.begin(job, template, tasks, plan).message()

    def _value(self, variable: run.EnvVar, job: str) -> str:
        """Return the value of a variable of a container, from Secret Manager if it refers to a secret there."""
        selector = variable.value_source.secret_key_ref
        if not selector.secret:
            return str(variable.value)
        project = "/".join(job.split("/")[:2])
        secret = selector.secret if "/" in selector.secret else f"{project}/secrets/{selector.secret}"
        try:
            return self._secrets.read(f"{secret}/versions/{selector.version or 'latest'}")[1].decode()
        except RpcError as error:  # which code Cloud Run answers with is not documented
            raise invalid(f"Invalid env {variable.name}: {error}") from None

    def _change(self, job: run.Job, *, only_check: bool) -> operations_pb2.Operation:
        before = self._jobs.get(job.name)
        made = self.deploy(job)
        operation = self._operations.start(_location(job.name), lambda: made)
        if only_check and before is None:
            del self._jobs[job.name]
        elif only_check and before is not None:
            self._jobs[job.name] = before
        self._world.after(
            self._world.timing.change_job, lambda: operation.succeed(made if only_check else self._shown(made))
        )
        return operation.message()

    def _find(self, name: str) -> run.Job:
        if name not in self._jobs:
            raise not_found(f"Resource '{name}' was not found")
        return self._jobs[name]

    def _shown(self, job: run.Job) -> run.Job:
        shown = copy(job)
        records = self._executions.of(job.name)
        shown.execution_count = len(records)
        if records:
            latest = records[-1].message
            shown.latest_created_execution = run.ExecutionReference(
                name=latest.name.rpartition("/")[2],
                create_time=latest.create_time,
                completion_time=latest.completion_time,
            )
        return shown


def job_definition(
    name: str,
    *,
    image: str,
    command: Sequence[str] = (),
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    timeout: float = _TIMEOUT,
    max_retries: int = _MAX_RETRIES,
    tasks: int = 1,
    parallelism: int = 0,
    labels: Mapping[str, str] | None = None,
) -> run.Job:
    """Return a job with one container, as `GcpEmulator.add_job` takes it."""
    container = run.Container(
        image=image,
        command=list(command),
        args=list(args),
        env=[run.EnvVar(name=key, value=value) for key, value in (env or {}).items()],
    )
    template = run.TaskTemplate(containers=[container], max_retries=max_retries, timeout=timedelta(seconds=timeout))
    return run.Job(
        name=name,
        labels=dict(labels or {}),
        template=run.ExecutionTemplate(task_count=tasks, parallelism=parallelism, template=template),
    )


def _check_job(job: run.Job) -> None:
    template = job.template.template
    if not template.containers:
        raise invalid("template.template.containers must not be empty")
    for container in template.containers:
        checks.require("template.template.containers.image", container.image)
    checks.labels(job.labels)
    _check_limits(template, job.template.task_count)


def _check_limits(template: run.TaskTemplate, tasks: int) -> None:
    if plain(template).HasField("timeout") and not 0 < template.timeout.total_seconds() <= _LONGEST:
        raise invalid(f"Invalid timeout: it is not between 1s and {_LONGEST}s")
    if not 0 <= template.max_retries <= _MOST_RETRIES:
        raise invalid(f"Invalid max_retries {template.max_retries}: it is not between 0 and {_MOST_RETRIES}")
    if not 0 <= tasks <= _MOST_TASKS:
        raise invalid(f"Invalid task_count {tasks}: it is not between 1 and {_MOST_TASKS}")


def _overridden(job: run.Job, overrides: run.RunJobRequest.Overrides) -> tuple[run.TaskTemplate, int]:
    """Return what the tasks of an execution are made from, and how many there are."""
    template = copy(job.template.template)
    for override in overrides.container_overrides:
        _override(_container(template, override.name), override)
    if plain(overrides).HasField("timeout"):
        template.timeout = overrides.timeout
    _check_limits(template, overrides.task_count)
    return template, overrides.task_count or job.template.task_count


def _override(container: run.Container, override: run.RunJobRequest.Overrides.ContainerOverride) -> None:
    if override.clear_args and override.args:
        raise invalid("clear_args and args exclude each other")
    if override.args or override.clear_args:
        container.args = list(override.args)
    for variable in override.env:
        checks.require("env.name", variable.name)
        container.env = [known for known in container.env if known.name != variable.name] + [variable]


def _container(template: run.TaskTemplate, name: str) -> run.Container:
    """Return the container that an override is for; the only one when it names none."""
    found = [one for one in template.containers if name in ("", one.name)]
    if len(found) != 1:
        raise invalid(f"No container named {name!r} for the override" if name else "The override names no container")
    return found[0]


def _location(name: str) -> str:
    return name.partition("/jobs/")[0]
