"""Error of a remote procedure call."""

from __future__ import annotations

from enum import Enum

from ai.starlake.common import StarlakeError


class Code(Enum):
    """The status codes of Google's services: their number in gRPC and the status of HTTP that stands for each."""

    OK = (0, 200)
    CANCELLED = (1, 499)
    UNKNOWN = (2, 500)
    INVALID_ARGUMENT = (3, 400)
    DEADLINE_EXCEEDED = (4, 504)
    NOT_FOUND = (5, 404)
    ALREADY_EXISTS = (6, 409)
    PERMISSION_DENIED = (7, 403)
    RESOURCE_EXHAUSTED = (8, 429)
    FAILED_PRECONDITION = (9, 400)
    ABORTED = (10, 409)
    OUT_OF_RANGE = (11, 400)
    UNIMPLEMENTED = (12, 501)
    INTERNAL = (13, 500)
    UNAVAILABLE = (14, 503)
    DATA_LOSS = (15, 500)
    UNAUTHENTICATED = (16, 401)

    @property
    def number(self) -> int:
        """Number of the code in ``google.rpc.Code``."""
        return self.value[0]

    @property
    def http(self) -> int:
        """The status of HTTP."""
        return self.value[1]


class RpcError(Exception):
    """A call fails.

    Args:
        code: The status.
        message: Message for the caller.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> RpcError:
    """Return the error of a request that is wrong in itself."""
    return RpcError(Code.INVALID_ARGUMENT, message)


def not_found(message: str) -> RpcError:
    """Return the error of a resource that does not exist."""
    return RpcError(Code.NOT_FOUND, message)


def refused(message: str) -> RpcError:
    """Return the error of a call that the state of a resource rules out."""
    return RpcError(Code.FAILED_PRECONDITION, message)


def port_taken(port: int, error: Exception) -> StarlakeError:
    """Return the error of a port that is taken."""
    return StarlakeError(
        f"the emulator cannot listen on port {port} of 127.0.0.1",
        cause=str(error),
        fix="end what listens there, or let the emulator choose a port: 0",
    )
