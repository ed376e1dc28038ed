"""Run commands remotely: settle, recover, submit, follow, clean up; the same for every service."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.outcomes.outcome_data import masked_outcomes
from ai.starlake.common.secrets import SecretReference
from ai.starlake.executor.notes import LoadNote
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.process.interrupts import cleaning_up
from ai.starlake.executor.project_facts import FactsFactory
from ai.starlake.executor.protocol import Execution, StarlakeResult
from ai.starlake.executor.recovery import LoadFiles
from ai.starlake.executor.remote.identity import RunIdentity, label_value
from ai.starlake.executor.remote.leftovers import leftover_work, sweep
from ai.starlake.executor.remote.progress import duration
from ai.starlake.executor.remote.remote_backend import (
    Handle,
    Phase,
    RemoteBackend,
    RemoteRequest,
    RemoteState,
    RemoteWork,
    Search,
    described,
)
from ai.starlake.executor.remote.remote_errors import (
    NotReadyError,
    RemoteCallError,
    RemoteCommandFailedError,
    RemoteTimeoutError,
)
from ai.starlake.executor.remote.repeats import Repeats
from ai.starlake.job import ComputeProfile, StarlakeCommand

_SUBMISSIONS = 3
"""Max submissions if the infrastructure disappears during submission."""
_END_TIMEOUT = 300.0
"""Seconds to wait for the end of a cancelled command."""


class RemoteExecutor:
    """Run each command on a service.

    Args:
        connect: Creates the backend of an attempt from its calls: the class of the backend, or a function.
        calls: Creates the calls; takes the arguments of `Repeats`.
        interval: Seconds between two polls.
        tolerance: Seconds for which a call is repeated after transient errors.
        facts: Creates the facts about a project; without it, loads cannot be repeated.
        project_variables: Returns the variables to read the project with, from those of the command.
        passed_on: Returns True for a secret reference that the service resolves itself.
        compute: The compute profile of infrastructure that is created before any command.
    """

    def __init__(
        self,
        connect: Callable[[Any], RemoteBackend],
        *,
        calls: Callable[..., Repeats] = Repeats,
        interval: float = 10,
        tolerance: float = 600,
        facts: FactsFactory | None = None,
        project_variables: Callable[[Mapping[str, str]], Mapping[str, str]] = dict,
        passed_on: Callable[[SecretReference], bool] = lambda _: False,
        compute: ComputeProfile | None = None,
    ) -> None:
        self._connect = connect
        self._calls = calls
        self._interval = interval
        self._tolerance = tolerance
        self._facts = facts
        self._project_variables = project_variables
        self._passed_on = passed_on
        self._compute = compute

    def backend(
        self, execution: Execution, mask: Callable[[str], str] = str, *, tolerance: float | None = None
    ) -> RemoteBackend:
        """Return the backend of an attempt.

        Args:
            execution: The attempt.
            mask: Masks secrets in messages of the service.
            tolerance: Seconds for which calls are repeated; by default those of the executor.
        """
        patience = self._tolerance if tolerance is None else tolerance
        return self._connect(self._calls(execution.report, interval=self._interval, tolerance=patience, mask=mask))

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        """Run a command to its end.

        A repeated attempt first searches for commands of earlier ones: it follows a command with the same arguments
        that still runs, takes the result of one that succeeded, and ends any other. Any exception, an interruption
        included, ends the command; the files of a load that does not succeed are moved back to the stage area.

        Args:
            command: A Starlake command, verb first. Nothing changes it.
            execution: The attempt: its run, its step, and the reporter of its output.

        Returns:
            The result: counts, outcomes of tables and tasks, and the reference of the command.

        Raises:
            RemoteCommandFailedError: If the command does not succeed, or is cancelled by another user.
            RemoteTimeoutError: If it takes too long.
            RecoveryError: If it is a load that cannot be repeated safely.
            StarlakeError: If a secret has no value, its infrastructure does not exist, or the service refuses a call.
        """
        return self._attempt(command, execution).run()

    def check_tables(self, command: StarlakeCommand, execution: Execution) -> tuple[TableOutcome, ...]:
        """Return the last recorded results of expectations, or the reason why there are none; see `ChecksAlone`.

        Args:
            command: A command whose tables and tasks are checked: ``load`` or ``transform``.
            execution: The attempt: its run, its step, and the reporter of its output.

        Raises:
            StarlakeError: If a secret has no value.
        """
        return self._attempt(command, execution).last_checks()

    def files_left(self, command: StarlakeCommand, execution: Execution) -> list[str]:
        """Return the files of loads that have ended, as far as a load would use them.

        Args:
            command: A ``load``.
            execution: The attempt: its run, its step, and the reporter of its output.

        Returns:
            Paths or URIs.

        Raises:
            StarlakeError: If that cannot be determined.
        """
        return self._attempt(command, execution).files().left()

    def ensure(self, execution: Execution) -> str:
        """Make sure that the infrastructure of the run exists.

        Args:
            execution: An attempt of the run.

        Returns:
            Its name; empty for a service that has none.

        Raises:
            StarlakeError: If it cannot be created.
        """
        backend = self.backend(execution)
        if backend.infrastructure is None:
            return ""
        with cleaning_up(partial(_discard_if_ending, backend, execution), unless=Exception):
            return backend.infrastructure.ensure(RunIdentity.of(execution, self._compute))

    def delete(self, execution: Execution) -> bool:
        """Delete the infrastructure of the run, if the run created it.

        Args:
            execution: An attempt of the run.

        Returns:
            True if it existed.

        Raises:
            StarlakeError: If it cannot be deleted.
        """
        infrastructure = self.backend(execution).infrastructure
        return infrastructure is not None and infrastructure.delete(RunIdentity.of(execution, self._compute))

    def sweep(self, execution: Execution, *, tolerance: float | None = None) -> list[str]:
        """End what a run that has ended left behind: commands first, then infrastructure.

        Args:
            execution: The run.
            tolerance: Seconds for which calls are repeated after transient errors.

        Returns:
            Description of what was ended.

        Raises:
            StarlakeError: If the service refuses a call; all other calls have been made by then.
        """
        backend = self.backend(execution, tolerance=tolerance)
        left = list(leftover_work(backend, execution.root))
        if backend.infrastructure is not None:
            left += backend.infrastructure.left(execution.root)
        return sweep(left)

    def _attempt(self, command: StarlakeCommand, execution: Execution) -> _Attempt:
        prepared = PreparedCommand.of(command, execution, passed_on=self._passed_on)
        backend = self.backend(execution, prepared.mask)
        request = RemoteRequest(prepared.mapped(backend.spelled), execution)
        return _Attempt(backend, request, self._facts, self._project_variables(request.environment))


class _Attempt:
    """One attempt at a command."""

    def __init__(
        self, backend: RemoteBackend, request: RemoteRequest, facts: FactsFactory | None, project: Mapping[str, str]
    ) -> None:
        self._backend = backend
        self._request = request
        self._prepared = request.prepared
        self._execution = request.execution
        self._report = request.execution.report
        self._facts = partial(facts, project["SL_ROOT"], project) if facts and project.get("SL_ROOT") else None
        self._output = CommandOutput(request.prepared.redactor, self._report)
        self._began = time.monotonic()

    def run(self) -> StarlakeResult:
        """Run the command to its end."""
        with cleaning_up(partial(_discard_if_ending, self._backend, self._execution), unless=Exception):
            result = self._continued() if self._execution.repeated else None
            if result is not None:
                return result
            with self._files_kept():
                return self._submitted()

    def last_checks(self) -> tuple[TableOutcome, ...]:
        """Return the last recorded results of expectations; nothing is submitted."""
        from ai.starlake.executor.starlake_outcomes import last_checks

        return masked_outcomes(last_checks(self._prepared.command, self._facts), self._prepared.mask)

    def files(self, reference: str | None = None) -> LoadFiles:
        """Return the files of a load.

        Args:
            reference: Reference by which its command is found again; None for a command that is not run.
        """
        return LoadFiles(
            self._prepared.command,
            self._facts,
            self._execution,
            self._prepared.job_id,
            {self._backend.key: reference} if reference is not None else None,
            self._runs,
        )

    def _files_kept(self) -> AbstractContextManager[None]:
        if self._prepared.command.verb != "load":
            return nullcontext()
        return self.files(self._backend.reference(self._request)).kept()

    def _continued(self) -> StarlakeResult | None:
        """Make sure that no command of an earlier attempt is running when this returns.

        Returns:
            The result of one that ran to its end; None if the command has to be submitted.
        """
        execution = self._execution
        found = list(self._backend.find(Search(execution.root, execution.step_key)))
        kept = next(filter(self._counts, found), None)
        for handle in found:
            if handle is not kept and not handle.is_over:
                self._end(handle)
        if kept is None:
            return None
        state = f" is {kept.state.text}" if kept.state else ""
        self._report.warning(f"{described(self._backend, kept)} of an earlier attempt{state}: its result counts")
        with cleaning_up(partial(self._abandon, kept)):
            ended = self._follow(kept)
        return None if ended.phase is Phase.CANCELLED else self._result(kept, ended)

    def _counts(self, handle: Handle) -> bool:
        """Return True if the result of an earlier attempt is valid for this one."""
        phase = handle.state.phase if handle.state else Phase.ACTIVE
        if handle.arguments != self._request.arguments:
            return False
        run_id = self._execution.run_id
        if handle.run_id in (run_id, label_value(run_id)):
            return phase in (Phase.ACTIVE, Phase.SUCCEEDED)
        return self._backend.adopts_other_runs and phase is Phase.ACTIVE

    def _end(self, handle: Handle) -> None:
        """Cancel a command of an earlier attempt, and wait for its end."""
        backend, what = self._backend, described(self._backend, handle)
        self._report.warning(f"{what} of an earlier attempt must end first")
        backend.cancel(handle)
        late = RemoteTimeoutError(
            f"{what} of an earlier attempt does not end",
            cause=f"it was cancelled {duration(_END_TIMEOUT)} ago",
            fix="end it by hand before this step runs again: both at once would work on the same files",
        )
        progress = backend.calls.progress(what, timeout=_END_TIMEOUT)
        while (state := _state_if_there(backend, handle)) is not None:
            progress.see(state.text)
            if state.is_over:
                return
            progress.pause(late)

    def _submitted(self) -> StarlakeResult:
        for remaining in reversed(range(_SUBMISSIONS)):
            request = self._placed()
            submitted: list[Handle] = []
            try:
                with cleaning_up(partial(self._abandon_request, request, submitted), unless=NotReadyError):
                    submitted.append(self._backend.submit(request))
                    ended = self._follow(submitted[0])
            except NotReadyError as error:
                if not remaining:
                    raise
                self._report.warning(str(error))
            else:
                return self._result(submitted[0], ended)
        raise AssertionError("the last submission returns or raises")

    def _placed(self) -> RemoteRequest:
        infrastructure, request = self._backend.infrastructure, self._request
        if infrastructure is None:
            return request
        place = infrastructure.ensure(RunIdentity.of(self._execution, self._prepared.command.compute))
        return replace(request, place=place)

    def _follow(self, handle: Handle) -> RemoteState:
        """Wait for the end of a command."""
        backend, what = self._backend, described(self._backend, handle)
        lines = backend.output(handle, self._output)
        progress = backend.calls.progress(what, timeout=handle.timeout)
        late = RemoteTimeoutError(
            f"{what} did not end in time",
            cause=f"it was cancelled after {handle.timeout or 0:.0f} s",
            fix=backend.timeout_fix,
        )
        state = handle.state or backend.look(handle)
        while True:
            progress.see(state.text)
            lines.advance(state)
            if state.is_over:
                lines.finish(state)
                return state
            if backend.wait(handle):
                progress.require_time(late)
            else:
                progress.pause(late)
            state = backend.look(handle)

    def _result(self, handle: Handle, ended: RemoteState) -> StarlakeResult:
        if ended.phase is not Phase.SUCCEEDED:
            raise RemoteCommandFailedError(
                self._prepared.shown(),
                described(self._backend, handle),
                remote_id=handle.id,
                state=ended.text,
                exit_code=ended.exit_code,
                tail=self._output.tail,
                verdict=self._prepared.mask(ended.verdict),
                log_url=handle.log_url,
                was_cancelled=ended.phase is Phase.CANCELLED,
                tables=self._outcomes(failure=f"it ended {ended.text}"),
            )
        counts = self._output.counts()
        return StarlakeResult(
            duration=time.monotonic() - self._began,
            counts=counts,
            remote_id=handle.id,
            log_url=handle.log_url,
            tables=self._outcomes(counts),
            sizes=self._backend.sizes(self._request),
        )

    def _outcomes(self, counts: StarlakeCounts | None = None, failure: str | None = None) -> tuple[TableOutcome, ...]:
        if not self._execution.outcomes:
            return ()
        from ai.starlake.executor.starlake_outcomes import outcomes_on_record

        command, job_id = self._prepared.command, self._prepared.job_id
        found = outcomes_on_record(command, self._facts, job_id, counts, failure=failure)
        return masked_outcomes(found, self._prepared.mask)

    def _abandon_request(self, request: RemoteRequest, submitted: list[Handle]) -> None:
        """Cancel the command of a request, even if the answer was lost or has not arrived yet."""
        if submitted:
            self._abandon(submitted[0])
            return
        backend = self._backend.hasty()
        search = Search(reference=backend.reference(request), active=True)
        try:
            found = list(backend.find(search))
            if not found:
                backend.calls.pause(min(1.0, backend.calls.interval))
                found = list(backend.find(search))
        except StarlakeError as error:
            if not getattr(error, "missing", False):
                self._report.warning(f"{backend.noun} {backend.reference(request)} may still be running: {error}")
            return
        for handle in found:
            if not handle.is_over:
                abandon(backend, handle)

    def _abandon(self, handle: Handle) -> None:
        abandon(self._backend.hasty(), handle)

    def _runs(self, note: LoadNote, patience: float) -> bool | None:
        """Return True if the command of a load is running, after some seconds for its end; None if it ran elsewhere."""
        reference = note.remote.get(self._backend.key)
        if reference is None:
            return None
        backend = self._backend.hasty()
        deadline = backend.calls.clock() + patience
        while not all(handle.is_over for handle in backend.find(Search(reference=reference))):
            if backend.calls.clock() >= deadline:
                return True
            backend.calls.sleep(min(1.0, backend.calls.interval))
        return False


def abandon(work: RemoteWork, handle: Handle) -> None:
    """Cancel a command whose result is no longer wanted; warn if that is not possible."""
    what = described(work, handle)
    work.calls.report.info(f"cancelling {what}")
    try:
        work.cancel(handle)
    except StarlakeError as error:
        work.calls.report.warning(f"{what} may still be running: {error}")


def _state_if_there(backend: RemoteBackend, handle: Handle) -> RemoteState | None:
    try:
        return backend.look(handle)
    except RemoteCallError as error:
        if error.missing:
            return None
        raise


def _discard_if_ending(backend: RemoteBackend, execution: Execution) -> None:
    """Delete the infrastructure if the whole run is ending; after a failed step, other steps still use it."""
    if backend.infrastructure is not None and _run_is_ending(execution):
        backend.infrastructure.discard(RunIdentity.of(execution))


def _run_is_ending(execution: Execution) -> bool:
    try:
        return execution.run_is_ending is not None and execution.run_is_ending()
    except Exception as error:  # noqa: BLE001  the interruption of the step matters more
        execution.report.warning(f"it is unknown whether the run is ending: {error}")
        return False
