"""The only place that calls a service of Google Cloud, so that every call is retried, or not, on purpose.

The clients' own retries are switched off: they differ from method to method, say nothing in the log, and repeat calls
that must not be repeated. Each call gets a time limit of its own, and an answer that does not come in time counts as
lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from ai.starlake.executor.remote.repeats import Repeats
from ai.starlake.gcp.client.google_errors import code_of, explained, patience_of, permissions_of, said_by

ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

READ_TIMEOUT = 20.0
"""Seconds that the answer to a question may take."""
WRITE_TIMEOUT = 60.0
"""Seconds that the answer to an order may take."""


class Rpc(Protocol, Generic[ResultT_co]):
    """A method of one of Google's clients."""

    def __call__(self, request: Any, *, retry: Any, timeout: Any) -> ResultT_co:
        """Call it."""
        ...


class Calls(Repeats):
    """Make calls of Google Cloud, and ride out short outages. See `Repeats` for the arguments.

    Errors of Google's clients become those of `ai.starlake.gcp.client.google_errors`.
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
        """Ask a question, again and again while the service does not answer.

        Args:
            method: The method of the client.
            request: The request, as a message or a mapping.
            what: What the call is to do, as in ``look at cluster x``.
            timeout: Seconds that one answer may take.

        Raises:
            GcpCallError: If the service refuses, or did not answer for as long as the tolerance says.
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
        """Ask for a list, page by page as it is consumed.

        Args:
            method: The method of the client.
            request: The request, as a mapping, without ``page_token``.
            what: What the call is to do.
            items: The field of a page that holds its items, such as ``executions``.
            timeout: Seconds that one answer may take.

        Yields:
            The items.
        """
        token = ""
        while True:
            pager = self.read(method, {**request, "page_token": token}, what=what, timeout=timeout)
            page = next(iter(pager.pages))  # the pager holds its first page already
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
        """Give an order that has the same effect however often it is given, until the service answers.

        Such are those with a request id, and deletion and cancellation by nature.

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
        """Give an order that would have its effect twice if it were given twice: never sends it again.

        See `read` for arguments.

        Raises:
            GcpCallError: If the answer is an error. Unless it is `definite`, the order may have been carried out.
        """
        with explained(what, permissions_of(method), self.mask):
            return method(request, retry=None, timeout=min(timeout, self.longest))

    def repeated(self, action: Callable[[], ResultT], *, what: str, permissions: tuple[str, ...] = ()) -> ResultT:
        """Do something that has the same effect however often it is done. See `Repeats.repeated`.

        Args:
            action: Makes calls of Google's clients, without retries of its own.
            what: What it is to do.
            permissions: The IAM permissions that it needs.

        Raises:
            GcpCallError: If the service refuses, or did not answer for as long as the tolerance says.
        """
        with explained(what, permissions, self.mask):
            return super().repeated(action, what=what)

    def patience_with(self, error: BaseException) -> float:
        """Return the seconds for which repeating the call that raised an error may help."""
        return patience_of(error)

    def reason_of(self, error: BaseException) -> str:
        """Return the code of an error, and what the service said."""
        return f"{code_of(error)}: {said_by(error)}"
