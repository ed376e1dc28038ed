"""Runs commands of Starlake as executions of a Cloud Run job."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ai.starlake.executor.failures import hint
from ai.starlake.executor.notes import LoadNote, RunsRemotely
from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.project_facts import FactsFactory
from ai.starlake.executor.protocol import CommandFailedError, Execution, StarlakeResult
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.console_links import execution_link
from ai.starlake.gcp.client.endpoints import is_insecure
from ai.starlake.gcp.cloud_run.cloud_logging import ExecutionLog
from ai.starlake.gcp.cloud_run.cloud_run_attempt import CloudRunAttempt
from ai.starlake.gcp.cloud_run.cloud_run_job import CloudRunJob
from ai.starlake.gcp.cloud_run.execution_state import (
    exit_code_of,
    has_succeeded,
    short,
    state_of,
    verdict_of,
    was_cancelled,
)
from ai.starlake.gcp.cloud_run.markers import Marker
from ai.starlake.gcp.cloud_run.options_cloud_run import CloudRunOptions
from ai.starlake.gcp.remote_call import RemoteCall
from ai.starlake.job import StarlakeCommand

if TYPE_CHECKING:
    from google.cloud import run_v2

_MARKER = "cloud_run"
_SIGNALS = 128


class ExecutionFailedError(CommandFailedError):
    """The execution of a command did not end well.

    Args:
        call: The command.
        execution: The execution.
        tail: The last lines that it printed, secrets masked; none where they are not fetched.
        problem: What is wrong with it, when Cloud Run itself says nothing.
    """

    def __init__(
        self, call: RemoteCall, execution: run_v2.Execution, tail: list[str], problem: str | None = None
    ) -> None:
        code = exit_code_of(execution)
        log = execution.log_uri
        signalled = _SIGNALS - code if code > _SIGNALS else code  # a shell's way to tell a signal
        self.remote_id = execution.name
        state = "was cancelled" if was_cancelled(execution) else f"ended as {state_of(execution)!r}"
        super().__init__(
            str(call),
            code,
            tail or None,
            fix="; ".join(filter(None, [hint(signalled, tail), f"read the whole log: {log}"])),
            log_url=log,
            how=f"failed: Cloud Run execution {short(execution.name)} {state}",
            verdict=problem or call.redactor.mask(verdict_of(execution)),
        )


class CloudRunExecutor:
    """Runs each command as an execution of one Cloud Run job, whose image has Starlake as its entry point.

    Args:
        settings: The options of the job.
        clients: Google's clients; by default those that the options describe, made when they are first needed.
        facts: How to learn about the project; without it, loads cannot be repeated.
        calls: Makes what makes the calls: the class, or what takes its arguments.
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
        self._facts = facts
        self._calls = calls

    @cached_property
    def clients(self) -> GcpClients:
        """Google's clients."""
        settings = self.settings
        made = GcpClients(settings.endpoints, project=settings.cloud_run_project_id, region=settings.region)
        return self._given_clients or made

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        """Runs a command to its end.

        A repeated attempt first looks what earlier ones left: it goes on with an execution of the same command that
        still runs, or takes the result of one that succeeded, and ends any other.

        Raises:
            ExecutionFailedError: If the execution does not succeed, or is cancelled by somebody else.
            LateExecutionError: If it takes too long.
            LostAnswerError: If nobody can tell whether it was started.
            RecoveryError: If it is a load that cannot be repeated safely.
            StarlakeError: If a secret has no value, or Google Cloud refuses a call.
        """
        began = time.monotonic()
        call = RemoteCall.prepare(command, execution)
        return self._run(call, execution, self._calls_of(call, execution), began)

    def files_left(self, command: StarlakeCommand, execution: Execution) -> list[str]:
        """Return the files that loads which are over left, as far as a load would work on them.

        Raises:
            StarlakeError: If that cannot be found out.
        """
        call = RemoteCall.prepare(command, execution)
        job = CloudRunJob(self.clients, self._calls_of(call, execution), self.settings.cloud_run_job_name)
        return call.files(execution, self._facts, self.settings, _runs(job)).left()

    def _calls_of(self, call: RemoteCall, execution: Execution) -> Calls:
        settings = self.settings
        return self._calls(
            execution.report,
            interval=settings.interval,
            tolerance=settings.outage_tolerance,
            mask=call.redactor.mask,
        )

    def _run(self, call: RemoteCall, execution: Execution, calls: Calls, began: float) -> StarlakeResult:
        marker = Marker.of(execution)
        job = CloudRunJob(self.clients, calls, self.settings.cloud_run_job_name)
        attempt = CloudRunAttempt(
            job, marker, margin=self.settings.cloud_run_margin, waiting=not self.settings.cloud_run_async
        )
        watch = _Watch(self, call, execution, calls)
        done = self._continued(attempt, call, execution, watch) if execution.repeated else None
        if done is not None:
            return self._result(call, done, watch, began)
        with call.kept(execution, self._facts, self.settings, _runs(job), {_MARKER: str(marker)}):
            done = attempt.run(self._overrides(call, marker), watch.begin, watch.look)
            return self._result(call, done, watch, began)

    def _result(self, call: RemoteCall, done: run_v2.Execution, watch: _Watch, began: float) -> StarlakeResult:
        watch.end(done)
        problem = _problem(call, done)
        if problem is not None or not has_succeeded(done):
            raise ExecutionFailedError(call, done, watch.output.tail, problem)
        return StarlakeResult(
            duration=time.monotonic() - began,
            counts=watch.output.counts(),
            remote_id=done.name,
            log_url=done.log_uri or None,
        )

    def _continued(
        self, attempt: CloudRunAttempt, call: RemoteCall, execution: Execution, watch: _Watch
    ) -> run_v2.Execution | None:
        """The end of the execution that an earlier attempt started, unless it was cancelled."""
        left = attempt.left_behind(call.argv)
        if left is None:
            return None
        execution.report.warning(f"an earlier attempt started Cloud Run execution {short(left.name)}: going on with it")
        done = attempt.follow(left, watch.begin, watch.look)
        return None if was_cancelled(done) else done

    def _overrides(self, call: RemoteCall, marker: Marker) -> Mapping[str, Any]:
        settings = self.settings
        variables = {**call.environment, **marker.environment}
        override = {
            "name": settings.cloud_run_container,
            "args": list(call.argv),
            "env": [{"name": name, "value": value} for name, value in variables.items()],
        }
        overrides: dict[str, Any] = {"container_overrides": [override], "task_count": 1}
        if settings.cloud_run_task_timeout is not None:
            overrides["timeout"] = {"seconds": int(settings.cloud_run_task_timeout)}
        return overrides

    def log_of(self, execution: run_v2.Execution, calls: Calls, output: CommandOutput) -> ExecutionLog | None:
        """The log of an execution; None where it is not to be fetched, or cannot be: an emulator may have none."""
        endpoints = self.settings.endpoints
        if self.settings.cloud_run_logs == "off" or (is_insecure(endpoints.cloud_run) and not endpoints.logging):
            return None
        return ExecutionLog(self.clients, calls, execution, output)


def _runs(job: CloudRunJob) -> RunsRemotely:
    """Tell of a load whether its execution runs."""

    def runs(note: LoadNote, patience: float) -> bool | None:
        marker = note.remote.get(_MARKER)
        return None if marker is None else job.runs(marker, patience)

    return runs


class _Watch:
    """What is told while an execution runs."""

    def __init__(self, executor: CloudRunExecutor, call: RemoteCall, execution: Execution, calls: Calls) -> None:
        self.output = CommandOutput(call.redactor, execution.report)
        self._executor = executor
        self._settings = executor.settings
        self._report = execution.report
        self._verb = call.command.verb
        self._calls = calls
        self._log: ExecutionLog | None = None

    def begin(self, execution: run_v2.Execution) -> None:
        """Tells where the log is, before the first look."""
        name = execution.name
        self._report.info(f"Cloud Run execution {short(name)}: {execution_link(name)}; its log: {execution.log_uri}")
        retries = execution.template.max_retries
        if retries and self._verb == "load":
            fix = _without_retries(execution)
            self._report.warning(
                f"Cloud Run would try this load again {retries} time(s), and find no files then: {fix}"
            )
        self._log = self._executor.log_of(execution, self._calls, self.output)

    def look(self, _execution: run_v2.Execution) -> None:
        """Passes on new lines."""
        if self._log is not None and self._settings.cloud_run_logs == "all":
            self._log.advance()

    def end(self, execution: run_v2.Execution) -> None:
        """Passes on the last lines, as far as they are wanted."""
        if self._log is None:
            return
        if self._settings.cloud_run_logs == "all":
            self._log.finish(self._settings.cloud_run_log_wait, self._log.advance)
        elif not has_succeeded(execution):
            self._log.finish(self._settings.cloud_run_log_wait, self._log.last_lines)


def _problem(call: RemoteCall, done: run_v2.Execution) -> str | None:
    """Why a success is none: Cloud Run tried a load again by itself, which then found no files and succeeded."""
    if call.command.verb == "load" and has_succeeded(done) and done.retried_count:
        fix = _without_retries(done)
        return f"the load failed, and Cloud Run began it again without its files. To prevent that: {fix}"
    return None


def _without_retries(execution: run_v2.Execution) -> str:
    _, project, _, region, _, job, *_ = str(execution.name).split("/")
    update = f"gcloud run jobs update {job} --max-retries 0 --region {region} --project {project}"
    return f"`{update}`: let Dagster try again instead (option retries)"
