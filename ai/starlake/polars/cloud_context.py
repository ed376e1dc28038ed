"""A compute context of Polars Cloud that is always stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ai.starlake.common.errors import StarlakeError
from ai.starlake.polars.context_names import MARK, context_name, run_label
from ai.starlake.polars.polars_cloud_client import PolarsCloudCallError, PolarsCloudClient

logger = logging.getLogger(__name__)

_POLL = 0.1
_STOPPING = 60.0
"""Seconds to wait for the calls that stop a context; they continue in the background."""
_TRIES = 4
_PAUSE = 2.0


class CloudContext:
    """A compute context for one run: started when it is entered, stopped when it is left.

    It is started in a thread of its own, so that an interruption does not have to wait for machines. It is stopped in a
    thread that Python waits for at the end of the process, so that an interruption cannot prevent it. A killed process
    leaves its context to the sensors of `polars_cloud_sensors`, and to `idle_timeout_mins`.

    Args:
        client: The calls.
        run_id: The run.
        tell: Receives progress messages.
        check: Raises an error if the run has to end.
    """

    def __init__(
        self,
        client: PolarsCloudClient,
        run_id: str,
        *,
        tell: Callable[[str], None] = logger.info,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.client = client
        self.name = context_name(run_id)
        self._labels = (MARK, run_label(run_id))
        self._tell = tell
        self._check = check
        self._context: Any = None
        self._starter: threading.Thread | None = None
        self._failure: list[Exception] = []
        self._asked = False
        self._end: threading.Thread | None = None
        self._problem: str | None = None

    def __enter__(self) -> Any:
        """Start the machines; see `start`."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> Any:
        """Start the machines, and wait until they are ready.

        Returns:
            The `polars_cloud.ComputeContext`.

        Raises:
            StarlakeError: If the service account is refused, or if the machines do not start.
        """
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self._context

    @property
    def is_over(self) -> bool:
        """True if Polars Cloud reports that the machines have stopped, or are stopping."""
        try:
            status = self._context.get_status()
        except Exception:  # noqa: BLE001  the state is unknown then
            return False
        return bool(status.is_stopped() or status.is_failed())

    def link(self, *more: str) -> str:
        """Return the URL of the page of the context, or of a page below it."""
        from polars_cloud.constants import FRONTEND_DOMAIN

        return "/".join((f"https://{FRONTEND_DOMAIN}/portal", str(self._context.workspace.id), str(self._id), *more))

    def close(self) -> None:
        """Stop the machines.

        A failure is a warning, not an error: the work is done, or has failed for another reason.
        """
        if not self._asked:
            return
        if self._end is None:
            self._end = threading.Thread(target=self._stop, name=f"stop {self.name}", daemon=False)
            self._end.start()
        self._end.join(_STOPPING)
        if self._problem is None and not self._end.is_alive():
            self._tell(f"stopped the compute context {self.name}")
            return
        timeout = self.client.profile.idle_timeout_mins
        cause = self._problem or f"Polars Cloud has not answered for {_STOPPING:.0f} s"
        logger.warning(
            "the compute context %s is not stopped: %s. Stop it at %s; Polars Cloud stops it after %d idle minutes",
            *(self.name, cause, self.link(), timeout),
        )

    @property
    def _id(self) -> Any:
        return getattr(self._context, "_compute_id", None)  # the package only shows it in `repr`

    def _start(self) -> None:
        self.client.authenticate()
        self._check()
        self._context = self.client.context(self._labels)
        self._tell(f"starting the compute context {self.name} on Polars Cloud: {self.client.profile}")
        started = time.monotonic()
        self._starter = threading.Thread(target=self._call_start, name=f"start {self.name}", daemon=True)
        self._starter.start()
        while self._starter.is_alive():
            self._check()
            self._starter.join(_POLL)
        if self._failure:
            raise self._not_started(self._failure[0])
        self._tell(f"the compute context {self.name} is ready after {time.monotonic() - started:.0f} s: {self.link()}")

    def _call_start(self) -> None:
        try:
            self._context.register(self.name)  # the clean-up finds the run of a context by this name
            self._asked = True
            self._context.start(wait=True)
        except Exception as error:  # noqa: BLE001  raised in the waiting thread
            self._failure.append(error)

    def _not_started(self, error: Exception) -> StarlakeError:
        cause = self.client.redactor.mask(f"{type(error).__name__}: {error}")
        return PolarsCloudCallError(f"the compute context {self.name} did not start on Polars Cloud", cause=cause)

    def _stop(self) -> None:
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE)
            try:
                self._stop_once()
            except Exception as error:  # noqa: BLE001  tried again
                self._problem = self.client.redactor.mask(f"{type(error).__name__}: {error}")
            else:
                self._problem = None
                return

    def _stop_once(self) -> None:
        while self._id is None and self._starter is not None and self._starter.is_alive():
            time.sleep(_POLL)  # it was requested, and has no id yet
        if self._id is not None:
            self.client.authenticate()  # another account may have logged in since
            self._context.stop()
            self._unregister()
            return
        for found in self.client.running():  # the answer to the start may have been lost
            if found.name == self.name:
                found.stop()

    def _unregister(self) -> None:
        try:
            self._context.unregister()
        except Exception as error:  # noqa: BLE001  a name without machines costs nothing
            logger.info("the name %s stays registered: %s", self.name, self.client.redactor.mask(str(error)))
