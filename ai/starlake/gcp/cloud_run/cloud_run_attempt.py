"""One command on Cloud Run: started once, followed to its end, never left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.gcp.client.google_errors import GcpCallError, NotFoundError
from ai.starlake.gcp.cloud_run.cloud_run_job import HASTE, CloudRunJob, LateExecutionError, Started
from ai.starlake.gcp.cloud_run.execution_state import has_succeeded, is_over, longest, short, state_of
from ai.starlake.gcp.cloud_run.markers import Marker, arguments_of

if TYPE_CHECKING:
    from google.cloud.run_v2 import Execution

OnLook = Callable[["Execution"], None]

_LOOKS = 3
"""How often to look for an execution whose start got no answer, before another one is started."""
_LOOK_PAUSE = 3.0
"""The most seconds between two of these looks."""
_DOUBT = 120.0
"""Seconds for which executions that turn up late are looked for, after a start without an answer."""


class LostAnswerError(StarlakeError):
    """Nobody can tell whether an execution was started.

    Args:
        job: The job.
        started: What the order to start it was answered.
        looked: What the question for its executions was answered.
    """

    def __init__(self, job: str, started: GcpCallError, looked: GcpCallError) -> None:
        super().__init__(
            f"whether an execution of Cloud Run job {job} was started is not known",
            cause=f"its start was answered {started.cause}; the list of executions was answered {looked.cause}",
            fix=looked.fix or "look into the list of executions, and cancel what is not wanted before running it again",
        )


class CloudRunAttempt:
    """An attempt at a command.

    Args:
        job: The Cloud Run job.
        marker: By what the execution is known again.
        margin: Seconds that an execution may take beyond what its command may.
        waiting: Whether its end is awaited by long requests, so that it is noticed at once.
    """

    def __init__(self, job: CloudRunJob, marker: Marker, *, margin: float = 600, waiting: bool = False) -> None:
        self._job = job
        self._calls = job.calls
        self._marker = marker
        self._margin = margin
        self._waiting = waiting
        self._in_doubt = False

    def left_behind(self, arguments: Sequence[str]) -> Started | None:
        """What earlier attempts at the step left: the execution of the same command, if it runs or succeeded.

        Any other that still runs is ended: two commands must not work on the same files.

        Raises:
            LateExecutionError: If such a one does not end.
            GcpCallError: If executions cannot be listed or looked at.
        """
        found = self._job.find(self._marker.same_step)
        ours = [one for one in found if self._is_same_command(one, arguments)]
        kept = ours[0] if ours and (not is_over(ours[0]) or has_succeeded(ours[0])) else None
        for other in found:
            if other is not kept and not is_over(other):
                self._calls.report.warning(f"Cloud Run execution {short(other.name)} was left by an earlier attempt")
                self._job.end(other.name)
        return Started(kept) if kept is not None else None

    def _is_same_command(self, execution: Execution, arguments: Sequence[str]) -> bool:
        marker = Marker.found_in(execution)
        same_run = marker is not None and marker.run_id == self._marker.run_id
        return same_run and arguments_of(execution) == tuple(arguments)

    def run(self, overrides: Mapping[str, Any], on_start: OnLook, on_look: OnLook) -> Execution:
        """Starts an execution, exactly one even when answers are lost, and follows it to its end.

        Whatever is raised meanwhile, an interruption included, cancels it.

        Args:
            overrides: What differs from the definition of the job; the marker is among the variables.
            on_start: Told the execution when it was started.
            on_look: Told the execution at each look.

        Raises:
            GcpCallError: If Cloud Run refuses, or does not answer for as long as the tolerance says.
            LostAnswerError: If nobody can tell whether it was started.
            LateExecutionError: If it does not end in time.
        """
        started: Started | None = None
        try:
            started = self._start(overrides)
            on_start(started.execution)
            return self._follow(started, on_look)
        except BaseException as error:
            if started is not None:
                self._cancel_after(error, started)
            elif not isinstance(error, Exception):
                self._cancel_unseen()
            raise

    def follow(self, started: Started, on_start: OnLook, on_look: OnLook) -> Execution:
        """Follows an execution that an earlier attempt started; see `run`."""
        try:
            on_start(started.execution)
            return self._follow(started, on_look)
        except BaseException as error:
            self._cancel_after(error, started)
            raise

    def _start(self, overrides: Mapping[str, Any]) -> Started:
        lost: list[GcpCallError] = []

        def attempt() -> Started:
            try:
                started = self._job.order(overrides)
            except GcpCallError as error:
                lost.append(error)
                self._in_doubt |= not error.definite
                found = self._found_after(error)
                if not found:
                    raise
                self._calls.report.info(f"the answer was {error.code}, but the execution was started")
                return Started(self._only(found))
            return self._without_twins(started) if lost else started

        return self._calls.persist(attempt, what=f"start Cloud Run job {self._job.job}")

    def _found_after(self, error: GcpCallError) -> list[Execution]:
        """The executions that were started although the answer was an error."""
        for look in range(1 if error.definite else _LOOKS):
            if look:
                self._calls.pause(min(_LOOK_PAUSE, self._calls.interval))
            try:
                found = self._job.find(self._marker.__eq__)
            except GcpCallError as other:
                if error.definite:
                    return []
                raise LostAnswerError(self._job.job, error, other) from None
            if found:
                return found
        return []

    def _without_twins(self, started: Started) -> Started:
        """The execution that stays, when one whose start seemed to have failed turns up late."""
        try:
            found = self._job.find(self._marker.__eq__)
        except GcpCallError as error:
            self._calls.report.warning(f"Cloud Run may have started {self._job.job} twice: {error}")
            return started
        return Started(self._only(found)) if len(found) > 1 else started

    def _only(self, found: Sequence[Execution]) -> Execution:
        """The first of several executions of one request; the later ones, whose answers came late, are cancelled."""
        *later, first = found
        for twin in later:
            self._job.cancel(twin.name)
        return first

    def _follow(self, started: Started, on_look: OnLook) -> Execution:
        name = started.name
        limit = longest(started.execution)
        timeout = limit + self._margin if limit else None
        progress = self._calls.progress(f"Cloud Run execution {short(name)}", timeout=timeout)
        late = LateExecutionError(
            f"Cloud Run execution {short(name)} did not end in time",
            cause=f"it was cancelled after {timeout:.0f} s" if timeout else None,
            fix="raise option cloud_run_task_timeout or cloud_run_margin, or find out in its log what it waits for",
        )
        while True:
            execution = self._job.look(name)
            on_look(execution)
            progress.see(state_of(execution))
            if self._in_doubt:
                self._end_twins(name)
                self._in_doubt = progress.elapsed < _DOUBT
            if is_over(execution):
                return execution
            if self._waiting and started.operation and self._job.wait(started.operation):
                progress.require_time(late)
            else:
                progress.pause(late)

    def _end_twins(self, followed: str) -> None:
        """Cancels other executions of the same request, should its start have reached Cloud Run so late."""
        try:
            found = self._job.within(HASTE).find(self._marker.__eq__)
        except GcpCallError:
            return  # the next look asks again
        for twin in found:
            if twin.name != followed and not is_over(twin):
                self._calls.report.warning(f"Cloud Run started {self._job.job} twice: the later execution is cancelled")
                self._job.cancel(twin.name)

    def _cancel_after(self, error: BaseException, started: Started) -> None:
        if not isinstance(error, NotFoundError):  # somebody deleted it
            self._job.cancel(started.name)
        if self._in_doubt:
            with interrupts_held():
                self._end_twins(started.name)

    def _cancel_unseen(self) -> None:
        """After an interruption of the start: cancels the execution that may have come of it."""
        with interrupts_held():
            hasty = self._job.within(HASTE)
            try:
                found = hasty.find(self._marker.__eq__)
                if not found:
                    hasty.calls.pause(min(1.0, hasty.calls.interval))
                    found = hasty.find(self._marker.__eq__)
            except GcpCallError as error:
                self._calls.report.warning(f"an execution of {self._job.job} may have been started: {error}")
                return
            for execution in found:
                hasty.cancel(execution.name)
