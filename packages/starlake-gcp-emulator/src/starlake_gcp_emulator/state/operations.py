"""Long-running operations, as all services share them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from starlake_gcp_emulator.errors import Code, RpcError, not_found
from starlake_gcp_emulator.state.messages import packed
from starlake_gcp_emulator.state.pages import page
from starlake_gcp_emulator.state.world import World

_LONGEST_WAIT = 120.0


@dataclass
class Operation:
    """A long-running operation of a service.

    Args:
        name: Its full name.
        metadata: Makes the message that tells how far it is.
        response: Result of the operation.
        error: Error that it failed with.
    """

    name: str
    metadata: Callable[[], Any]
    response: Any = None
    error: RpcError | None = None

    @property
    def done(self) -> bool:
        """True if it ended."""
        return self.response is not None or self.error is not None

    def succeed(self, response: Any) -> None:
        """End it; what already ended stays as it is."""
        if not self.done:
            self.response = packed(response)

    def fail(self, code: Code, message: str) -> None:
        """End it with an error; what already ended stays as it is."""
        if not self.done:
            self.error = RpcError(code, message)

    def message(self) -> operations_pb2.Operation:
        """Return the operation for callers."""
        shown = operations_pb2.Operation(name=self.name, done=self.done)
        shown.metadata.CopyFrom(packed(self.metadata()))
        if self.response is not None:
            shown.response.CopyFrom(self.response)
        if self.error is not None:
            shown.error.code = self.error.code.number
            shown.error.message = self.error.message
        return shown


class Operations:
    """The service ``google.longrunning.Operations``."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._operations: dict[str, Operation] = {}

    def start(self, parent: str, metadata: Callable[[], Any]) -> Operation:
        """Begins an operation below a location or region."""
        operation = Operation(f"{parent}/operations/{uuid.uuid4()}", metadata)
        self._operations[operation.name] = operation
        return operation

    def get(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        """GetOperation."""
        return self._find(request.name).message()

    def listing(self, request: operations_pb2.ListOperationsRequest) -> operations_pb2.ListOperationsResponse:
        """ListOperations; of the filters, only the empty one."""
        if request.filter:
            raise RpcError(Code.UNIMPLEMENTED, "the emulator lists operations without a filter only")
        parent = request.name.removesuffix("/operations")
        ours = [one for one in self._operations.values() if one.name.startswith(f"{parent}/operations/")]
        shown, token = page(ours, request.page_size, request.page_token, most=100)
        return operations_pb2.ListOperationsResponse(operations=[one.message() for one in shown], next_page_token=token)

    def wait(self, request: operations_pb2.WaitOperationRequest) -> operations_pb2.Operation:
        """WaitOperation: answers when the operation ended or the timeout passed, whichever is first."""
        operation = self._find(request.name)
        asked = request.timeout.ToTimedelta().total_seconds() if request.HasField("timeout") else _LONGEST_WAIT
        self._world.wait_for(lambda: operation.done, min(asked, _LONGEST_WAIT))
        return operation.message()

    def cancel(self, request: operations_pb2.CancelOperationRequest) -> empty_pb2.Empty:
        """CancelOperation, which is best effort by its definition: operations here run to their end."""
        self._find(request.name)
        return empty_pb2.Empty()

    def delete(self, request: operations_pb2.DeleteOperationRequest) -> empty_pb2.Empty:
        """DeleteOperation: forgets the result of an operation."""
        del self._operations[self._find(request.name).name]
        return empty_pb2.Empty()

    def _find(self, name: str) -> Operation:
        if name not in self._operations:
            raise not_found(f"Operation not found: {name}")
        return self._operations[name]
