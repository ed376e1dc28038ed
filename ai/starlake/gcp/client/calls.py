"""The only module that calls services of Google Cloud, so that the retries of every call are deliberate.

The clients' own retries are switched off: they differ between methods, are not logged, and repeat calls that must not
be repeated. Each call has a timeout of its own; an answer that arrives later counts as lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from ai.starlake.executor.remote.repeats import Repeats
from ai.starlake.gcp.client.google_errors import code_of, explained, patience_of, permissions_of, said_by

ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

READ_TIMEOUT = 20.0
"""Timeout in seconds of calls that read."""
WRITE_TIMEOUT = 60.0
"""Timeout in seconds of calls that write."""


class Rpc(Protocol, Generic[ResultT_co]):
    """A method of one of Google's clients."""

    def __call__(self, request: Any, *, retry: Any, timeout: Any) -> ResultT_co:
        """Call the method."""
        ...


class Calls(Repeats):
    """Makes calls to Google Cloud, and repeats them during short outages. See `Repeats` for the arguments.

    Errors of Google's clients are converted to those of `ai.starlake.gcp.client.google_errors`.
    """

    service = "Google Cloud"

    def read(
        self,
        method: Rpc[ResultT],
        request: Mapping[str, Any] | object,
        *,
        what: str,
        timeout: float = READ_TIMEOUT,
    ) -> ResultT:
        """Make a call that reads, repeatedly while the service does not answer.

        Args:
            method: The method of the client.
            request: The request, as a message or a mapping.
            what: Description of the call, as in ``get cluster x``.
            timeout: Timeout of one call in seconds.

        Raises:
            GcpCallError: If the service refuses, or does not answer within the tolerance.
        """
        limit = min(timeout, self.longest)
        return self.repeated(
            lambda: method(request, retry=None, timeout=limit), what=what, permissions=permissions_of(method)
        )

    def listing(
        self,
        method: Rpc[Any],
        request: Mapping[str, Any],
        *,
        what: str,
        items: str,
        timeout: float = READ_TIMEOUT,
    ) -> Iterator[Any]:
        """Yield the items of a list, page by page as they are consumed.

        Args:
            method: The method of the client.
            request: The request, as a mapping, without ``page_token``.
            what: Description of the call.
            items: The field of a page that holds its items, such as ``executions``.
            timeout: Timeout of one call in seconds.

        Yields:
            The items.
        """
        token = ""
        while True:
            pager = self.read(method, {**request, "page_token": token}, what=what, timeout=timeout)
            page = next(iter(pager.pages))  # the pager has its first page already
            yield from getattr(page, items)
            token = page.next_page_token
            if not token:
                return

    def repeat(
        self,
        method: Rpc[ResultT],
        request: Mapping[str, Any] | object,
        *,
        what: str,
        timeout: float = WRITE_TIMEOUT,
    ) -> ResultT:
        """Make an idempotent call that writes, until the service answers.

        Such are calls with a request id, and deletions and cancellations.

        See `read` for arguments and errors.
        """
        return self.read(method, request, what=what, timeout=timeout)

    def once(
        self,
        method: Rpc[ResultT],
        request: Mapping[str, Any] | object,
        *,
        what: str,
        timeout: float = WRITE_TIMEOUT,
    ) -> ResultT:
        """Make a call that writes and is not idempotent: it is never sent again.

        See `read` for arguments.

        Raises:
            GcpCallError: If the answer is an error. Unless it is `definite`, the call may have taken effect.
        """
        with explained(what, permissions_of(method), self.mask):
            return method(request, retry=None, timeout=min(timeout, self.longest))

    def repeated(self, action: Callable[[], ResultT], *, what: str, permissions: tuple[str, ...] = ()) -> ResultT:
        """Repeat an idempotent action; see `Repeats.repeated`.

        Args:
            action: Makes calls of Google's clients, without retries of its own.
            what: Description of the action.
            permissions: The IAM permissions that it needs.

        Raises:
            GcpCallError: If the service refuses, or does not answer within the tolerance.
        """
        with explained(what, permissions, self.mask):
            return super().repeated(action, what=what)

    def patience_with(self, error: BaseException) -> float:
        """Return the seconds for which repeating the call that raised an error may help."""
        return patience_of(error)

    def reason_of(self, error: BaseException) -> str:
        """Return the code of an error, and the message of the service."""
        return f"{code_of(error)}: {said_by(error)}"
