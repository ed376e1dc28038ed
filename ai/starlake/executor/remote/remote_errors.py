"""The errors of commands that run elsewhere, and of the services that run them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ai.starlake.common import StarlakeError
from ai.starlake.executor.failures import hint
from ai.starlake.executor.outcomes import TableOutcome
from ai.starlake.executor.protocol import CommandFailedError

_SIGNALS = 128
"""A shell's way to tell a signal: its number is added to this."""


class RemoteCallError(StarlakeError):
    """A call of a service did not succeed.

    Args:
        culprit: The call that did not succeed.
        cause: What the service said, secrets masked.
        fix: What the user can do about it.
        transient: Whether the same call may succeed a little later.
        definite: Whether the service refused; otherwise the call may have had its effect all the same.
        missing: Whether there is no such thing.
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
        """True if the same call may succeed a little later."""
        return self.patience > 0

    @property
    def passes(self) -> bool:
        """True if what prevented the call may pass within minutes, as an outage does."""
        return self.transient


class NotReadyError(StarlakeError):
    """The infrastructure went away, or stopped taking commands, before the submission. Nothing was submitted."""


class RemoteTimeoutError(StarlakeError):
    """A command took longer than it may, or does not end after its cancellation."""


class RemoteCommandFailedError(CommandFailedError):
    """A command that ran elsewhere did not end well.

    Args:
        command: The command, secrets masked.
        remote: What ran it, such as ``Spark job x``.
        remote_id: Its id.
        state: The state in which it ended; `was_cancelled` takes precedence.
        exit_code: The exit code of the command.
        tail: The lines that say why, secrets masked; none where its output is not known.
        verdict: What the service says about its end, secrets masked.
        log_url: Where its log can be read.
        was_cancelled: Whether somebody cancelled it.
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
            how=f"failed: {remote} {'was cancelled by somebody' if was_cancelled else f'ended in state {state}'}",
            verdict=verdict,
            tables=tables,
        )
