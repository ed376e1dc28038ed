"""The services over gRPC, on a free port of the loopback interface."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

from starlake_gcp_emulator.errors import RpcError, port_taken
from starlake_gcp_emulator.fronts.dispatcher import Dispatcher
from starlake_gcp_emulator.methods import Method

_THREADS = 128
"""Calls that may wait for an answer at once; threads are made when they are needed."""
_GRACE = 0.1
"""Seconds that calls have to end; cutting them off at once makes clients complain on standard error."""
_STATUSES = {status.value[0]: status for status in grpc.StatusCode}


class GrpcFront:
    """A server of gRPC, without transport security and without credentials.

    Args:
        methods: Methods to serve.
        dispatcher: Dispatcher that answers calls.
        port: Port to listen on; 0 for any free port.

    Raises:
        StarlakeError: If the port is taken.
    """

    def __init__(self, methods: Iterable[Method], dispatcher: Dispatcher, port: int = 0) -> None:
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS, "gcp-emulator-grpc"), options=[("grpc.so_reuseport", 0)]
        )
        services: dict[str, dict[str, grpc.RpcMethodHandler]] = defaultdict(dict)
        for method in methods:
            services[method.service][method.name] = _handler(method, dispatcher)
        for service, handlers in services.items():
            self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
        try:
            self.port: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError as error:
            raise port_taken(port, error) from error
        self._server.start()

    def stop(self) -> None:
        """End the server, and the calls that wait for an answer."""
        self._server.stop(grace=_GRACE).wait()


def _handler(method: Method, dispatcher: Dispatcher) -> grpc.RpcMethodHandler:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return dispatcher.call(method, request)
        except RpcError as error:
            _abort(context, error)

    return grpc.unary_unary_rpc_method_handler(
        answer,
        # the types that Google's library wraps have these; plain protocol buffers have their own
        request_deserializer=getattr(method.request, "deserialize", None) or method.request.FromString,
        response_serializer=getattr(method.response, "serialize", None) or method.response.SerializeToString,
    )


def _abort(context: grpc.ServicerContext, error: RpcError) -> NoReturn:
    context.abort(_STATUSES[error.code.number], error.message)
    raise error
