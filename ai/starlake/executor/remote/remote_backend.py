"""The protocol of services that run commands elsewhere.

A backend knows one service: it submits a command, finds, polls and cancels what was submitted, and reads its output.
When to do which is the business of `RemoteExecutor`, and the same for every service.
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
    """The part of its life that a remote command is in."""

    ACTIVE = "active"
    ENDING = "ending"
    """It is being cancelled."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class RemoteState:
    """The state of a remote command.

    Args:
        phase: The part of its life that it is in.
        text: The state as people know it, such as ``RUNNING``.
        exit_code: The exit code of a command that failed; 1 where the service does not tell.
        verdict: What the service says about the end of a command; may hold secrets.
        native: What the service answered.
    """

    phase: Phase
    text: str
    exit_code: int = 1
    verdict: str = ""
    native: Any = field(default=None, repr=False, compare=False)

    @property
    def is_over(self) -> bool:
        """True if it has ended, well or not."""
        return self.phase not in (Phase.ACTIVE, Phase.ENDING)


@dataclass(frozen=True)
class Handle:
    """A command that runs, or ran, elsewhere.

    Args:
        id: The id by which the service knows it.
        name: The name by which people know it.
        arguments: The arguments of the command.
        run_id: The run that submitted it, as such or as the value of a label.
        root_run_id: The first of the chain of re-executions of that run, as such or as the value of a label.
        state: The state as last seen; None if it has not been polled.
        created: When it was submitted.
        belongs_to: The job or step that it was submitted for, as people know it.
        log_url: Where its log can be read.
        timeout: Seconds that it may take; None for any time.
        native: What the service answered.
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
    """The remote commands to look for. Those of all runs, if no argument is given.

    Args:
        root_run_id: The first of a chain of re-executions.
        step_key: The step.
        reference: The request that submitted it; see `RemoteBackend.reference`.
        active: Whether those that have ended may be left out.
    """

    root_run_id: str | None = None
    step_key: str | None = None
    reference: str | None = None
    active: bool = False


@dataclass(frozen=True)
class RemoteRequest:
    """A command to submit.

    Args:
        prepared: The command, with its arguments and its environment as the service has to get them.
        execution: The attempt.
        place: The infrastructure that it runs on; empty where the service has none.
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
        """All of its environment, secrets included, but for what `references` has."""
        return self.prepared.environment

    @property
    def references(self) -> Mapping[str, SecretReference]:
        """The variables whose values the service fetches itself, with what they refer to."""
        return self.prepared.references

    @property
    def compute(self) -> ComputeProfile | None:
        """The compute profile of the command."""
        return self.prepared.command.compute

    def name(self, limit: int = NAME_LIMIT) -> str:
        """Return a name, the same for the same attempt at the same command; see `command_name`."""
        execution = self.execution
        return command_name(execution.step_key, execution.run_id, execution.attempt, self.arguments, limit=limit)


class LineSource(Protocol):
    """Passes on the output of a remote command. CommandOutput that cannot be read is a warning, and no error."""

    def advance(self, state: RemoteState) -> None:
        """Pass on what is new. Called after each poll."""
        ...

    def finish(self, state: RemoteState) -> None:
        """Pass on the rest. Called once, when the command is over."""
        ...


@dataclass(frozen=True)
class Leftover:
    """Something that a run made and that is still there.

    Args:
        kind: Such as ``cluster``, ``Spark job`` or ``execution``.
        name: Its name.
        region: Where it is.
        run_id: The first of the chain of re-executions that it was made for.
        job_name: The Dagster job, as its label says.
        state: Such as ``RUNNING``.
        created: When it was made.
        remove: Removes it, and returns whether there was something to remove.
        is_needed: Returns whether others work on it.
        noun: What it is called in messages; by default as `kind`.
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
    """What commands run on, if it is made for a run, such as a cluster."""

    def ensure(self, run: RunIdentity) -> str:
        """Make sure that it is there and ready.

        Returns:
            Its name.
        """
        ...

    def delete(self, run: RunIdentity) -> bool:
        """Delete it, if the run made it, and wait for the end of it.

        Returns:
            Whether there was something to delete.
        """
        ...

    def discard(self, run: RunIdentity) -> None:
        """Order its deletion when the run is being cancelled: in haste, and never with an error."""
        ...

    def left(self, root_run_id: str | None = None) -> Iterable[Leftover]:
        """Yield what was made for a run and for those that re-execute it; by default for any run."""
        ...


class RemoteWork(Protocol):
    """What was submitted to a service. Every method raises a `RemoteCallError` if the service refuses a call.

    Calls should go through `calls`, which repeats what fails for a passing reason.
    """

    noun: ClassVar[str]
    """What a remote command is called in messages, such as ``Spark job``."""
    kind: ClassVar[str] = ""
    """What it is called in tables; by default as in messages."""
    region: str = ""
    """Where it runs, for people."""
    calls: Repeats

    def find(self, search: Search) -> Iterable[Handle]:
        """Yield the remote commands that fit, with their states, the newest first."""
        ...

    def look(self, handle: Handle) -> RemoteState:
        """Return the state as it is now."""
        ...

    def cancel(self, handle: Handle) -> bool:
        """Order the end of a command, without waiting for it. That it is over or gone is no error.

        Returns:
            Whether it is being cancelled.
        """
        ...

    def hasty(self: WorkT) -> WorkT:
        """Return a copy whose calls have less patience, for when something is cleaned up."""
        made = copy.copy(self)
        made.calls = self.calls.hasty()
        return made


class RemoteBackend(RemoteWork, Protocol):
    """A service that runs commands. Derive from it: what is optional has a body."""

    key: ClassVar[str]
    """The name under which notes of loads keep references to commands."""
    adopts_other_runs: ClassVar[bool] = False
    """True if a running command of the run that is re-executed is followed, rather than cancelled and run again."""
    timeout_fix: ClassVar[str] = "find out in its log what it waits for"
    """What to do about a command that takes too long."""
    infrastructure: Infrastructure | None = None

    def submit(self, request: RemoteRequest) -> Handle:
        """Submit a command, so that there is exactly one even if answers are lost.

        Raises:
            NotReadyError: If the infrastructure takes no commands; nothing was submitted.
        """
        ...

    def output(self, handle: Handle, output: CommandOutput) -> LineSource:
        """Return what passes on the output of a command."""
        ...

    def reference(self, request: RemoteRequest) -> str:
        """Return by what a command will be found again, known before it is submitted."""
        return request.name()

    def sizes(self, request: RemoteRequest) -> Mapping[str, str]:  # noqa: ARG002  for those that have any
        """Return what it makes of the compute profile of a command, such as ``{"cloud_run.cpu": "2"}``."""
        return {}

    def spelled(self, text: str) -> str:
        """Return an argument, or the value of a variable, as commands there have to get it."""
        return text

    def wait(self, handle: Handle) -> bool:  # noqa: ARG002  for those that can
        """Wait for the end of a command by one long request, if the service has such.

        Returns:
            Whether it waited; otherwise the executor sleeps until the next poll.
        """
        return False


class NoOutput:
    """The output of a command that cannot be read, or is not wanted."""

    def advance(self, state: RemoteState) -> None:
        """Pass on nothing."""

    def finish(self, state: RemoteState) -> None:
        """Pass on nothing."""


def described(work: RemoteWork, handle: Handle) -> str:
    """Return a remote command as people know it, such as ``Spark job x``."""
    return f"{work.noun} {handle.name}"
