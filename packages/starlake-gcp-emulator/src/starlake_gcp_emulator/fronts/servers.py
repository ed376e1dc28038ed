"""The servers in front of the services."""

from __future__ import annotations

from contextlib import ExitStack

from starlake_gcp_emulator.base import Endpoints
from starlake_gcp_emulator.fronts.control import Control
from starlake_gcp_emulator.fronts.dispatcher import Dispatcher
from starlake_gcp_emulator.fronts.grpc_front import GrpcFront
from starlake_gcp_emulator.fronts.rest_front import RestFront
from starlake_gcp_emulator.machine import Machine


class Servers:
    """Serve a machine over gRPC and REST until `stop`.

    Args:
        machine: The services; also an attribute.
        port: The port of gRPC; 0 for any free one.
        rest_port: The port of REST; 0 for any free one.

    Raises:
        StarlakeError: If a port is taken.
    """

    def __init__(self, machine: Machine, port: int, rest_port: int) -> None:
        dispatcher = Dispatcher(machine.world, machine.journal, machine.faults)
        control = Control(machine, lambda: self.endpoints)
        methods = machine.methods.values()
        self.machine = machine
        with ExitStack() as stack:
            self._grpc = GrpcFront(methods, dispatcher, port)
            stack.callback(self._grpc.stop)
            self._rest = RestFront(methods, dispatcher, control, rest_port)
            stack.callback(self._rest.stop)
            self._stack = stack.pop_all()

    @property
    def endpoints(self) -> Endpoints:
        """Addresses of the emulator."""
        grpc, rest = (f"http://127.0.0.1:{port}" for port in (self._grpc.port, self._rest.port))
        return Endpoints(grpc, rest, self.machine.storage_endpoint)

    def stop(self) -> None:
        """Stop both servers."""
        self._stack.close()
