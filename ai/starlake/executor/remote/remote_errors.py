"""Errors of remote commands, and of the services that run them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ai.starlake.common import StarlakeError
from ai.starlake.executor.failures import hint
from ai.starlake.executor.outcomes import TableOutcome
from ai.starlake.executor.protocol import CommandFailedError

_SIGNALS = 128
"""A shell adds this to the number of a signal in its exit code."""


class RemoteCallError(StarlakeError):
    """A call to a service failed.

    Args:
        culprit: The call that failed.
        cause: Message of the service, secrets masked.
        fix: Advice for the user.
        transient: True if the same call may succeed later.
        definite: True if the service refused the call; otherwise it may have taken effect.
        missing: True if the resource does not exist.
    """

    def __init__(
        self,
        culprit: str,
        *,
        cause: str | None = None,
        fix: str | None = None,
        transient: bool = False,
        definite: bool = False,
        missing: bool = False,
    ) -> None:
        self.patience = math.inf if transient else 0.0
        """Seconds for which repeating the call may help."""
        self.definite = definite
        self.missing = missing
        super().__init__(culprit, cause=cause, fix=fix)

    @property
    def transient(self) -> bool:
        """True if the same call may succeed later."""
        return self.patience > 0

    @property
    def passes(self) -> bool:
        """True if the obstacle may disappear within minutes, as an outage does."""
        return self.transient


class NotReadyError(StarlakeError):
    """The infrastructure disappeared, or stopped accepting commands, before the submission. Nothing was submitted."""


class RemoteTimeoutError(StarlakeError):
    """A command exceeded its timeout, or does not end after its cancellation."""


class RemoteCommandFailedError(CommandFailedError):
    """A remote command failed.

    Args:
        command: The command, secrets masked.
        remote: Its name in the service, such as ``Spark job x``.
        remote_id: Its id.
        state: The state in which it ended; `was_cancelled` takes precedence.
        exit_code: The exit code of the command.
        tail: The lines that explain the failure, secrets masked; None if its output is unknown.
        verdict: Message of the service, secrets masked.
        log_url: URL of its log.
        was_cancelled: True if it was cancelled.
        tables: The outcome of each table or task, as far as it is known.
    """

    def __init__(
        self,
        command: str,
        remote: str,
        *,
        remote_id: str,
        state: str,
        exit_code: int = 1,
        tail: Sequence[str] = (),
        verdict: str = "",
        log_url: str | None = None,
        was_cancelled: bool = False,
        tables: Sequence[TableOutcome] = (),
    ) -> None:
        self.remote_id = remote_id
        signalled = _SIGNALS - exit_code if exit_code > _SIGNALS else exit_code
        log = f"read the whole log: {log_url}" if log_url else None
        super().__init__(
            command,
            exit_code,
            tail or None,
            fix="; ".join(filter(None, [hint(signalled, tail), log])) or None,
            log_url=log_url,
            how=f"failed: {remote} {'was cancelled by another user' if was_cancelled else f'ended in state {state}'}",
            verdict=verdict,
            tables=tables,
        )
