"""The emulator in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from starlake_gcp_emulator.base import Emulator, Endpoints
from starlake_gcp_emulator.clock import Clock
from starlake_gcp_emulator.timing import Timing

if TYPE_CHECKING:
    from types import TracebackType

    from starlake_gcp_emulator.fronts.servers import Servers
    from starlake_gcp_emulator.machine import Machine

EMBEDDED = (sys.executable, "-m", "ai.starlake.embedded")
MAIN_CLASS = "ai.starlake.job.Main"
SPEED = 300.0


class GcpEmulator(Emulator):
    """Dataproc v1, Cloud Run v2, Cloud Logging v2, Secret Manager v1 and Cloud Storage on loopback, for tests.

    Clusters and jobs go through the states that they have on Google's side, and jobs and executions really run a
    command, each in a process group of its own. Use it as a context manager; leaving it ends all of its processes.

    What it refuses is what the services are known to refuse; the messages of errors are not theirs, so assert on codes.

    Args:
        command: Command that runs in place of Spark and of the entry point of every image, before the arguments. By
            default the embedded engine.
        clock: The time that lifetimes go by; by default the time of day, which `advance` moves on.
        speed: Factor by which the services are faster than those of Google; see `Timing`.
        timing: Durations in the real services.
        main_class: The main class that Spark jobs may name; None for any. Others fail as a missing class does.
        grace: Seconds between SIGTERM and SIGKILL when a process is ended.
        port: The port of gRPC; 0 for any free one.
        rest_port: The port of REST; 0 for any free one.
        storage_port: The port of Cloud Storage; 0 for any free one.

    Raises:
        StarlakeError: If `speed` is not more than 0.
    """

    def __init__(
        self,
        command: Sequence[str] = EMBEDDED,
        *,
        clock: Clock | None = None,
        speed: float = SPEED,
        timing: Timing | None = None,
        main_class: str | None = MAIN_CLASS,
        grace: float = 5.0,
        port: int = 0,
        rest_port: int = 0,
        storage_port: int = 0,
    ) -> None:
        if speed <= 0:
            raise StarlakeError(f"speed={speed} is not more than 0")
        self.clock = clock or Clock()
        self._arguments: dict[str, Any] = {
            "clock": self.clock,
            "timing": timing or Timing(),
            "speed": speed,
            "command": tuple(command),
            "main_class": main_class,
            "grace": grace,
            "storage_port": storage_port,
        }
        self._ports = (port, rest_port)
        self._running: Servers | None = None
        self._stack = ExitStack()

    def __enter__(self) -> GcpEmulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, which takes about a second for Google's libraries, and some milliseconds from then on.

        Raises:
            StarlakeError: If it runs already, a port is taken, or a library is not installed.
        """
        try:
            from starlake_gcp_emulator.fronts.servers import Servers
            from starlake_gcp_emulator.machine import Machine
        except ImportError as error:
            raise StarlakeError(
                "the emulator of Google Cloud cannot start",
                cause=f"{error}",
                fix="pip install starlake-gcp-emulator",
            ) from error
        if self._running is not None:
            raise StarlakeError("the emulator was started already", fix="make another one")
        with ExitStack() as stack:
            machine = Machine(**self._arguments)
            stack.callback(machine.stop)
            servers = Servers(machine, *self._ports)
            stack.callback(servers.stop)
            self._running = servers
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """End it and all processes of its jobs and executions; its journal and views stay."""
        self._stack.close()

    @property
    def machine(self) -> Machine:
        """The services.

        Raises:
            StarlakeError: If it does not run.
        """
        return self._servers.machine

    @property
    def endpoints(self) -> Endpoints:
        """Addresses of the emulator."""
        return self._servers.endpoints

    @property
    def _servers(self) -> Servers:
        if self._running is None:
            raise StarlakeError("the emulator is not running", fix="use it as a context manager, or call start()")
        return self._running

    def _show(self, what: str) -> list[Any]:
        return self.machine.show(what)

    def _do(self, action: str, **arguments: Any) -> None:
        self.machine.do(action, arguments)

    def _wait(self, condition: Callable[[], Any], timeout: float) -> bool:
        return self.machine.world.wait_for(condition, timeout)
