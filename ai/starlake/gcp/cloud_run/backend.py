"""Run commands as executions of a Cloud Run job: the specific parts; see `RemoteExecutor` for the common ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.project_facts import FactsFactory
from ai.starlake.executor.remote.remote_backend import (
    Handle,
    LineSource,
    NoOutput,
    RemoteBackend,
    RemoteRequest,
    RemoteState,
    RemoteWork,
    Search,
)
from ai.starlake.executor.remote.remote_executor import RemoteExecutor, abandon
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.console_links import execution_link
from ai.starlake.gcp.client.endpoints import gs_uri, is_insecure
from ai.starlake.gcp.client.google_errors import GcpCallError, NotFoundError
from ai.starlake.gcp.cloud_run.cloud_logging import ExecutionLog
from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
from ai.starlake.gcp.cloud_run.executions import (
    Marker,
    arguments_of,
    is_over,
    longest,
    short,
    state_of,
    without_retries,
)
from ai.starlake.gcp.cloud_run.sized_jobs import SizedJobs, is_made, job_of, sizes_of
from ai.starlake.gcp.secret_manager import GoogleSecret
from ai.starlake.job import ComputeProfile

if TYPE_CHECKING:
    from google.cloud import run_v2

ALL_JOBS = "-"
"""Name for all jobs of a region, for searches for executions."""
_WAIT = 30
"""Seconds that one long request waits."""
_LOOKS = 3
"""Max searches for an execution whose start got no answer, before another one is started."""
_LOOK_PAUSE = 3.0
"""Maximum seconds between two of these searches."""
_DOUBT = 120.0
"""Seconds for which late executions are searched for, after a start without an answer."""


_WITHOUT_REFERENCES = (
    "add the secret to the job (gcloud run jobs update --update-secrets) and remove it from sl_env_var, or set option"
    " cloud_run_secrets to value"
)


class LostAnswerError(StarlakeError):
    """The state of an execution is unknown: it may have been started.

    Args:
        job: The job.
        started: The answer to the request to start it.
        looked: The answer to the search for its executions.
    """

    def __init__(self, job: str, started: GcpCallError, looked: GcpCallError) -> None:
        super().__init__(
            f"it is unknown whether an execution of Cloud Run job {job} was started",
            cause=f"the start was answered {started.cause}; the list of executions was answered {looked.cause}",
            fix=looked.fix or "check the list of executions, and cancel unwanted ones before a retry",
        )


class CloudRunJob(RemoteWork):
    """The executions of one Cloud Run job.

    Args:
        calls: Makes the calls.
        clients: Google's clients.
        job: The name of the job; by default all jobs of the region.
        margin: Seconds that an execution may take beyond the timeout of its command.
        also: The names of further jobs, which may not exist, whose executions are found too.
    """

    noun = "Cloud Run execution"
    kind = "execution"

    def __init__(
        self,
        calls: Calls,
        clients: GcpClients,
        job: str = ALL_JOBS,
        *,
        margin: float = 600,
        also: Sequence[str] = (),
    ) -> None:
        self.calls: Calls = calls
        self.region = clients.region
        self.job = job
        self._clients = clients
        self._margin = margin
        self._also = tuple(also)

    def find(self, search: Search) -> Iterator[Handle]:
        """Yield the matching executions, newest first."""
        for execution, marker in self.marked(lambda marker: _fits(marker, search), self.job, *self._also):
            if not (search.active and is_over(execution)):
                yield self.handle(execution, marker, state_of(execution))

    def look(self, handle: Handle) -> RemoteState:
        """Return the state of an execution."""
        what = f"look at Cloud Run execution {handle.name}"
        return state_of(self.calls.read(self._clients.executions.get_execution, {"name": handle.id}, what=what))

    def cancel(self, handle: Handle) -> bool:
        """Request the cancellation of an execution. Refusals can be wrong: whether it has ended is checked then."""
        what = f"cancel Cloud Run execution {handle.name}"
        try:
            self.calls.repeat(self._clients.executions.cancel_execution, {"name": handle.id}, what=what)
        except GcpCallError as error:
            if error.code not in ("NOT_FOUND", "FAILED_PRECONDITION") or self._goes_on(handle):
                raise
            return False
        return True

    def marked(self, wanted: Callable[[Marker], bool], *jobs: str) -> list[tuple[run_v2.Execution, Marker]]:
        """Return the executions with a wanted marker, newest first.

        Args:
            wanted: Returns True for a wanted marker.
            *jobs: The names of their jobs; by default the job of this object.
        """
        found = [
            (one, marker)
            for job in jobs or (self.job,)
            for one in self._listed(job)
            if (marker := Marker.found_in(one)) is not None and wanted(marker)
        ]
        return sorted(found, key=lambda one: one[0].create_time, reverse=True)

    def _listed(self, job: str) -> Iterator[run_v2.Execution]:
        request = {"parent": self._named(job), "page_size": 100}
        what = f"list the executions of Cloud Run job {job}"
        try:
            yield from self.calls.listing(
                self._clients.executions.list_executions, request, what=what, items="executions"
            )
        except NotFoundError:
            if job not in self._also:
                raise

    def _named(self, job: str) -> str:
        return f"projects/{self._clients.project}/locations/{self._clients.region}/jobs/{job}"

    def handle(self, execution: run_v2.Execution, marker: Marker, state: RemoteState | None = None) -> Handle:
        """Return the handle of an execution."""
        limit = longest(execution)
        return Handle(
            id=str(execution.name),
            name=short(execution.name),
            arguments=arguments_of(execution),
            run_id=marker.run_id,
            root_run_id=marker.root_run_id,
            state=state,
            created=execution.create_time,
            belongs_to=f"step {marker.step_key}",
            log_url=execution.log_uri or None,
            timeout=limit + self._margin if limit else None,
            native=execution,
        )

    def _goes_on(self, handle: Handle) -> bool:
        with suppress(NotFoundError):
            return not self.look(handle).is_over
        return False


class CloudRunBackend(CloudRunJob, RemoteBackend):
    """Runs commands as executions of one Cloud Run job, one at a time.

    Args:
        calls: Makes the calls.
        clients: Google's clients.
        settings: The options of the job.
    """

    key = "cloud_run"
    timeout_fix = "raise option cloud_run_task_timeout or cloud_run_margin, or find out in its log what it waits for"

    def __init__(self, calls: Calls, clients: GcpClients, settings: CloudRunOptions) -> None:
        base = settings.cloud_run_job_name
        sized = dict.fromkeys(job_of(profile, base) for profile in settings.compute.values())
        also = [job for job in sized if job != base]
        super().__init__(calls, clients, base, margin=settings.cloud_run_margin, also=also)
        self._settings = settings
        self._marker: Marker | None = None
        self._operation: str | None = None
        self._in_doubt_until = 0.0

    def spelled(self, text: str) -> str:
        """Return a string with ``gs://`` for ``gcs://``, which Starlake does not know."""
        return gs_uri(text)

    def reference(self, request: RemoteRequest) -> str:
        """Return ``run/step/attempt``, the marker of the executions of an attempt."""
        return str(Marker.of(request.execution))

    def submit(self, request: RemoteRequest) -> Handle:
        """Start an execution, exactly one even if answers are lost.

        Raises:
            LostAnswerError: If it is unknown whether it was started.
        """
        marker = self._marker = Marker.of(request.execution)
        overrides = self._overrides(request, marker)
        self._choose_job(request.compute)
        lost: list[GcpCallError] = []

        def attempt() -> Handle:
            try:
                started = self.order(overrides)
            except GcpCallError as error:
                lost.append(error)
                if not error.definite:
                    self._in_doubt_until = self.calls.clock() + _DOUBT
                found = self._found_after(error, marker)
                if not found:
                    raise
                self.calls.report.info(f"the answer was {error.code}, but the execution was started")
                return self._only(found, marker)
            return self._without_twins(started, marker) if lost else self.handle(started, marker)

        return self.calls.repeated(attempt, what=f"start Cloud Run job {self.job}")

    def sizes(self, request: RemoteRequest) -> Mapping[str, str]:
        """Return the sizes of the execution that the profile sets."""
        return sizes_of(request.compute)

    def _choose_job(self, profile: ComputeProfile | None) -> None:
        """Select the job of a compute profile as the job to start, and make sure that it exists."""
        base = self._settings.cloud_run_job_name
        self.job = job_of(profile, base)
        self._also = tuple(dict.fromkeys(job for job in (base, *self._also) if job != self.job))
        if profile is not None and is_made(profile):
            SizedJobs(self.calls, self._clients, base, self._settings.cloud_run_container).ensure(profile)

    def look(self, handle: Handle) -> RemoteState:
        """Return the state of an execution; after a start without an answer, end late executions."""
        state = super().look(handle)
        if self.calls.clock() < self._in_doubt_until:
            self._end_twins(handle)
        return state

    def cancel(self, handle: Handle) -> bool:
        """Request the cancellation of an execution, and of late ones of the same request."""
        try:
            return super().cancel(handle)
        finally:
            if self.calls.clock() < self._in_doubt_until:
                self._end_twins(handle)

    def wait(self, handle: Handle) -> bool:  # noqa: ARG002  the operation belongs to the execution
        """Wait for the end of an execution by one long request, for at most half a minute."""
        if self._settings.cloud_run_async or not self._operation:
            return False
        request = {"name": self._operation, "timeout": {"seconds": _WAIT}}
        try:
            self.calls.once(self._clients.executions.wait_operation, request, what="wait", timeout=2 * _WAIT)
        except GcpCallError:
            return False
        return True

    def output(self, handle: Handle, output: CommandOutput) -> LineSource:
        """Return the log of an execution, and report its URL."""
        report, execution = self.calls.report, handle.native
        report.info(f"Cloud Run execution {handle.name}: {execution_link(handle.id)}; its log: {handle.log_url}")
        retries = execution.template.max_retries
        if retries and handle.arguments[:1] == ("load",):
            fix = without_retries(execution)
            report.warning(f"Cloud Run would retry this load {retries} time(s), without finding its files: {fix}")
        settings = self._settings
        endpoints = settings.endpoints
        is_emulated = is_insecure(endpoints.cloud_run) and not endpoints.logging  # it may have no log
        if settings.cloud_run_logs == "off" or is_emulated:
            return NoOutput()
        log = ExecutionLog(self._clients, self.calls, execution, output)
        return _Log(log, everything=settings.cloud_run_logs == "all", wait=settings.cloud_run_log_wait)

    def _overrides(self, request: RemoteRequest, marker: Marker) -> Mapping[str, Any]:
        settings = self._settings
        variables = {**request.environment, **marker.environment}
        plain = [{"name": name, "value": value} for name, value in variables.items()]
        references = [
            {"name": name, "value_source": {"secret_key_ref": reference.selector}}
            for name, reference in request.references.items()
            if isinstance(reference, GoogleSecret)
        ]
        override = {"name": settings.cloud_run_container, "args": list(request.arguments), "env": [*plain, *references]}
        overrides: dict[str, Any] = {"container_overrides": [override], "task_count": 1}
        profile = request.compute
        timeout = (
            profile.cloud_run.timeout if profile and profile.cloud_run.timeout else settings.cloud_run_task_timeout
        )
        if timeout is not None:
            overrides["timeout"] = {"seconds": int(timeout)}
        return overrides

    def order(self, overrides: Mapping[str, Any]) -> run_v2.Execution:
        """Start an execution; the request is sent once. Unless an error is definite, the execution may have started."""
        request = {"name": self._named(self.job), "overrides": overrides}
        what = f"start Cloud Run job {self.job}"
        try:
            operation = self.calls.once(self._clients.run_jobs.run_job, request, what=what)
        except GcpCallError as error:
            secrets = _secrets_in(overrides)
            if error.code != "INVALID_ARGUMENT" or not secrets:
                raise
            fix = f"see that {', '.join(secrets)} of sl_env_var refers to a secret that the service account of the job"
            fix += f" may read; if Cloud Run takes no references here, {_WITHOUT_REFERENCES}"
            raise GcpCallError(what, error.code, error.message, fix=fix) from None
        self._operation = operation.operation.name
        return operation.metadata

    def _found_after(self, error: GcpCallError, marker: Marker) -> list[run_v2.Execution]:
        """Return the executions that were started although the answer was an error."""
        for look in range(1 if error.definite else _LOOKS):
            if look:
                self.calls.pause(min(_LOOK_PAUSE, self.calls.interval))
            try:
                found = self._of_request(marker)
            except GcpCallError as other:
                if error.definite:
                    return []
                raise LostAnswerError(self.job, error, other) from None
            if found:
                return found
        return []

    def _of_request(self, marker: Marker) -> list[run_v2.Execution]:
        return [execution for execution, _ in self.marked(marker.__eq__)]

    def _without_twins(self, started: run_v2.Execution, marker: Marker) -> Handle:
        """Return the execution that stays if one whose start seemed to have failed appears late."""
        try:
            found = self._of_request(marker)
        except GcpCallError as error:
            self.calls.report.warning(f"Cloud Run may have started {self.job} twice: {error}")
            return self.handle(started, marker)
        return self._only(found, marker) if len(found) > 1 else self.handle(started, marker)

    def _only(self, found: Sequence[run_v2.Execution], marker: Marker) -> Handle:
        """Return the first of several executions of one request; the later ones, whose answers were late, are ended."""
        *later, first = found
        for twin in later:
            self._abandon(self.handle(twin, marker))
        self._operation = None
        return self.handle(first, marker)

    def _end_twins(self, followed: Handle) -> None:
        """Cancel other executions of the same request, in case its start reached Cloud Run late."""
        marker = self._marker
        if marker is None:
            return
        hasty = CloudRunJob(self.calls.hasty(), self._clients, self.job)
        with suppress(GcpCallError):  # the next search repeats it
            for twin, _ in hasty.marked(marker.__eq__):
                if twin.name != followed.id and not is_over(twin):
                    self.calls.report.warning(f"Cloud Run started {self.job} twice: the later execution is cancelled")
                    self._abandon(self.handle(twin, marker))

    def _abandon(self, twin: Handle) -> None:
        abandon(CloudRunJob(self.calls.hasty(), self._clients, self.job), twin)


class _Log:
    """Output of an execution: all lines, or the last lines of a failed one."""

    def __init__(self, log: ExecutionLog, *, everything: bool, wait: float) -> None:
        self._log = log
        self._everything = everything
        self._wait = wait

    def advance(self, state: RemoteState) -> None:  # noqa: ARG002  the log keeps its own position
        """Pass on new lines, if all are wanted."""
        if self._everything:
            self._log.advance()

    def finish(self, state: RemoteState) -> None:
        """Pass on the last lines, if they are wanted."""
        if self._everything:
            self._log.finish(self._wait, self._log.advance)
        elif state.exit_code:
            self._log.finish(self._wait, self._log.last_lines)


class CloudRunExecutor(RemoteExecutor):
    """Runs each command as an execution of one Cloud Run job, whose image has Starlake as its entry point.

    Args:
        settings: The options of the job.
        clients: Google's clients; by default those of the options, created on first use.
        facts: Creates the facts about a project; without it, loads cannot be repeated.
        calls: The class that makes the calls, or a function with its arguments.
    """

    def __init__(
        self,
        settings: CloudRunOptions,
        clients: GcpClients | None = None,
        *,
        facts: FactsFactory | None = None,
        calls: Callable[..., Calls] = Calls,
    ) -> None:
        self.settings = settings
        self._given_clients = clients
        super().__init__(
            lambda made: CloudRunBackend(made, self.clients, settings),
            calls=calls,
            interval=settings.interval,
            tolerance=settings.outage_tolerance,
            facts=facts,
            project_variables=settings.project_variables,
            passed_on=settings.passed_on,
        )

    @cached_property
    def clients(self) -> GcpClients:
        """Google's clients."""
        settings = self.settings
        made = GcpClients(settings.endpoints, project=settings.cloud_run_project_id, region=settings.region)
        return self._given_clients or made


def _fits(marker: Marker, search: Search) -> bool:
    return (
        search.root_run_id in (None, marker.root_run_id)
        and search.step_key in (None, marker.step_key)
        and search.reference in (None, str(marker))
    )


def _secrets_in(overrides: Mapping[str, Any]) -> list[str]:
    """Return the variables of overrides that refer to secrets."""
    variables = (one for container in overrides["container_overrides"] for one in container["env"])
    return sorted(one["name"] for one in variables if "value_source" in one)
