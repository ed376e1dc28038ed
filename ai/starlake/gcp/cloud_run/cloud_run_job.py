"""A Cloud Run job and its executions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.google_errors import GcpCallError, NotFoundError
from ai.starlake.gcp.cloud_run.execution_state import is_over, short, state_of
from ai.starlake.gcp.cloud_run.markers import Marker

if TYPE_CHECKING:
    from google.cloud.run_v2 import Execution

HASTE = 15.0
"""Seconds for which calls are repeated when something is cleaned up and nobody can wait for long."""
_HASTY_CALL = 10.0
"""Seconds that one answer may take then."""
_END = 300.0
"""Seconds that an execution which was cancelled may take to end."""
_WAIT = 30
"""Seconds that one long request waits."""


class LateExecutionError(StarlakeError):
    """An execution did not end in time."""


@dataclass(frozen=True)
class Started:
    """An execution.

    Args:
        execution: As it was last seen.
        operation: The name of the operation that ends with it, where that is known.
    """

    execution: Execution
    operation: str | None = None

    @property
    def name(self) -> str:
        """Its full name."""
        return str(self.execution.name)


class CloudRunJob:
    """One Cloud Run job: what can be asked of it and ordered.

    Args:
        clients: Google's clients.
        calls: Makes the calls.
        job: The name of the job; ``-`` for all jobs of the region, where executions are only looked for.
    """

    def __init__(self, clients: GcpClients, calls: Calls, job: str) -> None:
        self.job = job
        self.calls = calls
        self._clients = clients
        self._name = f"projects/{clients.project}/locations/{clients.region}/jobs/{job}"

    def within(self, tolerance: float) -> CloudRunJob:
        """The same, whose calls are repeated for so many seconds."""
        return CloudRunJob(self._clients, self.calls.within(tolerance), self.job)

    def find(self, wanted: Callable[[Marker], bool]) -> list[Execution]:
        """The executions whose marker is as wanted, the newest first.

        Raises:
            GcpCallError: If they cannot be listed.
        """
        listing = self.calls.listing(
            self._clients.executions.list_executions,
            {"parent": self._name, "page_size": 100},
            what=f"list the executions of Cloud Run job {self.job}",
            items="executions",
        )
        found = [one for one in listing if (marker := Marker.found_in(one)) is not None and wanted(marker)]
        return sorted(found, key=lambda one: one.create_time, reverse=True)

    def runs(self, marker: str, patience: float = 0) -> bool:
        """Return whether an execution of a marker runs.

        Args:
            marker: The marker, as text.
            patience: Seconds that it may take to end.

        Raises:
            GcpCallError: If executions cannot be listed.
        """
        hasty = self.within(HASTE)
        deadline = hasty.calls.clock() + patience
        while any(not is_over(one) for one in hasty.find(lambda other: str(other) == marker)):
            if hasty.calls.clock() >= deadline:
                return True
            hasty.calls.sleep(min(1.0, hasty.calls.interval))
        return False

    def order(self, overrides: Mapping[str, Any]) -> Started:
        """Starts an execution; the order is sent once.

        Raises:
            GcpCallError: If the answer is an error. Unless it is `definite`, there may be an execution all the same.
        """
        what = f"start Cloud Run job {self.job}"
        request = {"name": self._name, "overrides": overrides}
        operation = self.calls.once(self._clients.run_jobs.run_job, request, what=what)
        return Started(operation.metadata, operation.operation.name)

    def look(self, name: str) -> Execution:
        """An execution as it is now.

        Raises:
            NotFoundError: If it was deleted.
            GcpCallError: If it cannot be looked at.
        """
        what = f"look at Cloud Run execution {short(name)}"
        return self.calls.read(self._clients.executions.get_execution, {"name": name}, what=what)

    def wait(self, operation: str) -> bool:
        """Waits until an operation ends, for half a minute at most; False if the service does not let us."""
        request = {"name": operation, "timeout": {"seconds": _WAIT}}
        try:
            self.calls.once(self._clients.executions.wait_operation, request, what="wait", timeout=2 * _WAIT)
        except GcpCallError:
            return False
        return True

    def cancel(self, name: str) -> None:
        """Orders the end of an execution, in haste; warns when that is not possible. Does not wait for it."""
        with interrupts_held():
            self.calls.report.info(f"cancelling Cloud Run execution {short(name)}")
            try:
                self.within(HASTE).order_end(name)
            except GcpCallError as error:
                self.calls.report.warning(f"Cloud Run execution {short(name)} may still be running: {error}")

    def order_end(self, name: str) -> None:
        """Orders the end of an execution. Does not wait for it; that it is over already is success.

        Raises:
            GcpCallError: If Cloud Run refuses.
        """
        cancel = self._clients.executions.cancel_execution
        what = f"cancel Cloud Run execution {short(name)}"
        try:
            self.calls.repeat(cancel, {"name": name}, what=what, timeout=_HASTY_CALL)
        except GcpCallError as error:
            if error.code not in ("NOT_FOUND", "FAILED_PRECONDITION") or self._goes_on(name):
                raise

    def _goes_on(self, name: str) -> bool:
        """Return True if an execution whose cancellation was refused has not ended: refusals can be wrong."""
        now = self._look_if_there(name)
        return now is not None and not is_over(now)

    def end(self, name: str) -> None:
        """Cancels an execution, and waits until it is over.

        Raises:
            LateExecutionError: If it does not end.
        """
        self.cancel(name)
        progress = self.calls.progress(f"Cloud Run execution {short(name)}", timeout=_END)
        late = LateExecutionError(
            f"Cloud Run execution {short(name)}, which an earlier attempt left, does not end",
            cause="two commands would work on the same files",
            fix="cancel it, and run again",
        )
        while (now := self._look_if_there(name)) is not None:
            progress.see(state_of(now))
            if is_over(now):
                return
            progress.pause(late)

    def _look_if_there(self, name: str) -> Execution | None:
        try:
            return self.look(name)
        except NotFoundError:
            return None
