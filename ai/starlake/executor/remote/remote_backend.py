"""Protocol of the services that run commands remotely.

A backend knows one service: it submits a command, finds, polls and cancels submitted commands, and reads their output.
`RemoteExecutor` decides when to do which, in the same way for every service.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeVar

from ai.starlake.common.secrets import SecretReference
from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.protocol import Execution
from ai.starlake.executor.remote.identity import NAME_LIMIT, RunIdentity, command_name
from ai.starlake.executor.remote.repeats import Repeats
from ai.starlake.job import ComputeProfile

WorkT = TypeVar("WorkT", bound="RemoteWork")


class Phase(Enum):
    """Phase of a remote command."""

    ACTIVE = "active"
    ENDING = "ending"
    """The command is being cancelled."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class RemoteState:
    """The state of a remote command.

    Args:
        phase: The phase of the command.
        text: The state as the service names it, such as ``RUNNING``.
        exit_code: The exit code of a command that failed; 1 if the service does not report it.
        verdict: Message of the service about the end of a command; may contain secrets.
        native: The answer of the service.
    """

    phase: Phase
    text: str
    exit_code: int = 1
    verdict: str = ""
    native: Any = field(default=None, repr=False, compare=False)

    @property
    def is_over(self) -> bool:
        """True if the command has ended, successfully or not."""
        return self.phase not in (Phase.ACTIVE, Phase.ENDING)


@dataclass(frozen=True)
class Handle:
    """A command that runs, or ran, remotely.

    Args:
        id: Its id in the service.
        name: Its name for display.
        arguments: The arguments of the command.
        run_id: The run that submitted it, as its id or as the value of a label.
        root_run_id: The first run of the chain of re-executions, as its id or as the value of a label.
        state: The state as last seen; None if it has not been polled.
        created: Time of its submission, with a time zone; None if unknown.
        belongs_to: The job or step that it was submitted for, for display.
        log_url: URL of its log.
        timeout: Timeout in seconds; None without a limit.
        native: The answer of the service.
    """

    id: str
    name: str
    arguments: tuple[str, ...] = ()
    run_id: str = ""
    root_run_id: str = ""
    state: RemoteState | None = None
    created: datetime | None = None
    belongs_to: str = ""
    log_url: str | None = None
    timeout: float | None = None
    native: Any = field(default=None, repr=False, compare=False)

    @property
    def is_over(self) -> bool:
        """True if it had ended when it was last polled."""
        return self.state is not None and self.state.is_over


@dataclass(frozen=True)
class Search:
    """Remote commands to search for; those of all runs if no argument is given.

    Args:
        root_run_id: The first of a chain of re-executions.
        step_key: The step.
        reference: The request that submitted it; see `RemoteBackend.reference`.
        active: True if ended commands may be left out.
    """

    root_run_id: str | None = None
    step_key: str | None = None
    reference: str | None = None
    active: bool = False


@dataclass(frozen=True)
class RemoteRequest:
    """A command to submit.

    Args:
        prepared: The command, with its arguments and its environment in the form that the service takes.
        execution: The attempt.
        place: The infrastructure that it runs on; empty if the service has none.
    """

    prepared: PreparedCommand
    execution: Execution
    place: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of Starlake, verb first."""
        return self.prepared.argv

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment of the command, secrets included, except the variables in `references`."""
        return self.prepared.environment

    @property
    def references(self) -> Mapping[str, SecretReference]:
        """Variables whose values the service fetches itself, with their references."""
        return self.prepared.references

    @property
    def compute(self) -> ComputeProfile | None:
        """The compute profile of the command."""
        return self.prepared.command.compute

    def name(self, limit: int = NAME_LIMIT) -> str:
        """Return a name, the same for the same attempt at the same command; see `command_name`.

        Args:
            limit: Maximum number of characters.
        """
        execution = self.execution
        return command_name(execution.step_key, execution.run_id, execution.attempt, self.arguments, limit=limit)


class LineSource(Protocol):
    """Passes on the output of a remote command. Output that cannot be read is a warning, not an error."""

    def advance(self, state: RemoteState) -> None:
        """Pass on new output. Called after each poll.

        Args:
            state: State of the command at this poll.
        """
        ...

    def finish(self, state: RemoteState) -> None:
        """Pass on the remaining output. Called once, when the command has ended.

        Args:
            state: Last state of the command.
        """
        ...


@dataclass(frozen=True)
class Leftover:
    """A remote resource of a run that still exists.

    Args:
        kind: Such as ``cluster``, ``Spark job`` or ``execution``.
        name: Its name.
        region: Its region.
        run_id: The first run of the chain of re-executions that it was created for.
        job_name: The job, from its label.
        state: Such as ``RUNNING``.
        created: Time of its creation, with a time zone.
        remove: Removes it; returns True if it existed.
        is_needed: Returns True if other runs use it.
        noun: Its name in messages; by default `kind`.
    """

    kind: str
    name: str
    region: str
    run_id: str
    job_name: str
    state: str
    created: datetime
    remove: Callable[[], bool] = field(repr=False, compare=False)
    is_needed: Callable[[], bool] = field(default=lambda: False, repr=False, compare=False)
    noun: str = ""

    def __str__(self) -> str:
        return f"{self.noun or self.kind} {self.name}"


class Infrastructure(Protocol):
    """The infrastructure that commands run on, such as a cluster, if it is created for a run."""

    def ensure(self, run: RunIdentity) -> str:
        """Make sure that the infrastructure exists and is ready.

        Args:
            run: The run, the same for all its re-executions.

        Returns:
            Its name.
        """
        ...

    def delete(self, run: RunIdentity) -> bool:
        """Delete it, if the run created it, and wait until it is deleted.

        Args:
            run: The run, the same for all its re-executions.

        Returns:
            True if it existed.
        """
        ...

    def discard(self, run: RunIdentity) -> None:
        """Request its deletion while the run is being cancelled: quickly, and without ever raising.

        Args:
            run: The run, the same for all its re-executions.
        """
        ...

    def left(self, root_run_id: str | None = None) -> Iterable[Leftover]:
        """Yield what was created for a run and its re-executions; by default for any run.

        Args:
            root_run_id: ID of the first run of a chain of re-executions; None for all runs.
        """
        ...


class RemoteWork(Protocol):
    """The commands submitted to a service. Every method raises a `RemoteCallError` if the service refuses a call.

    Calls should be made with `calls`, which repeats them after transient errors.
    """

    noun: ClassVar[str]
    """Name of a remote command in messages, such as ``Spark job``."""
    kind: ClassVar[str] = ""
    """Name of a remote command in tables; by default as in messages."""
    region: str = ""
    """Region of the service, for display."""
    calls: Repeats
    """Repetition of calls after transient errors."""

    def find(self, search: Search) -> Iterable[Handle]:
        """Yield the matching remote commands with their states, newest first.

        Args:
            search: Labels of the wanted commands.
        """
        ...

    def look(self, handle: Handle) -> RemoteState:
        """Return the current state.

        Args:
            handle: The submitted command.
        """
        ...

    def cancel(self, handle: Handle) -> bool:
        """Request the cancellation of a command, without waiting for it. An ended command is not an error.

        Args:
            handle: The submitted command.

        Returns:
            True if it is being cancelled.
        """
        ...

    def hasty(self: WorkT) -> WorkT:
        """Return a copy whose calls give up sooner, for cleaning up."""
        made = copy.copy(self)
        made.calls = self.calls.hasty()
        return made


class RemoteBackend(RemoteWork, Protocol):
    """A service that runs commands. Derive from it; methods with a body are optional."""

    key: ClassVar[str]
    """Name under which notes of loads keep references to commands."""
    adopts_other_runs: ClassVar[bool] = False
    """True if a running command of the re-executed run is followed, instead of being cancelled and run again."""
    timeout_fix: ClassVar[str] = "find out in its log what it waits for"
    """Advice for a command that takes too long."""
    infrastructure: Infrastructure | None = None
    """Infrastructure that is created for a run; None if the service needs none."""

    def submit(self, request: RemoteRequest) -> Handle:
        """Submit a command so that it runs exactly once even if answers are lost.

        Args:
            request: The prepared command, its attempt and its infrastructure.

        Returns:
            The submitted command, for `look` and `cancel`.

        Raises:
            NotReadyError: If the infrastructure accepts no commands; nothing was submitted.
        """
        ...

    def output(self, handle: Handle, output: CommandOutput) -> LineSource:
        """Return the object that passes on the output of a command.

        Args:
            handle: The submitted command.
            output: Receiver of the lines; it masks secrets and counts rows.
        """
        ...

    def reference(self, request: RemoteRequest) -> str:
        """Return the reference by which a command is found again; it is known before the submission.

        Args:
            request: The prepared command and its attempt.
        """
        return request.name()

    def sizes(self, request: RemoteRequest) -> Mapping[str, str]:  # noqa: ARG002  for backends that have sizes
        """Return the sizes applied from the compute profile of a command, such as ``{"cloud_run.cpu": "2"}``.

        Args:
            request: The prepared command and its attempt.
        """
        return {}

    def spelled(self, text: str) -> str:
        """Return an argument, or the value of a variable, in the form that commands of the service take.

        Args:
            text: The argument or the value.
        """
        return text

    def wait(self, handle: Handle) -> bool:  # noqa: ARG002  for backends that support it
        """Wait for the end of a command by one long request, if the service supports it.

        Args:
            handle: The submitted command.

        Returns:
            True if it waited; otherwise the executor sleeps until the next poll.
        """
        return False


class NoOutput:
    """Output of a command that cannot be read, or is not wanted."""

    def advance(self, state: RemoteState) -> None:
        """Pass on nothing.

        Args:
            state: State of the command at this poll.
        """

    def finish(self, state: RemoteState) -> None:
        """Pass on nothing.

        Args:
            state: Last state of the command.
        """


def described(work: RemoteWork, handle: Handle) -> str:
    """Return the display name of a remote command, such as ``Spark job x``."""
    return f"{work.noun} {handle.name}"
