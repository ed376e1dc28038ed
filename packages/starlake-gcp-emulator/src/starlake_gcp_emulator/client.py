"""An emulator in a process of its own, as tests see it that kill processes."""

from __future__ import annotations

import json
import os
import selectors
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from ai.starlake.common import StarlakeError
from starlake_gcp_emulator.base import Emulator, Endpoints
from starlake_gcp_emulator.emulator import EMBEDDED, MAIN_CLASS, SPEED
from starlake_gcp_emulator.fronts.control import PREFIX
from starlake_gcp_emulator.journal import Call
from starlake_gcp_emulator.views import ClusterView, ExecutionView, SparkJobView

if TYPE_CHECKING:
    from types import TracebackType

_KINDS: Mapping[str, type] = {
    "journal": Call,
    "clusters": ClusterView,
    "spark_jobs": SparkJobView,
    "executions": ExecutionView,
}
_START, _STOP, _ANSWER = 60.0, 30.0, 60.0
_opener = build_opener(ProxyHandler({}))  # it is on this machine, whatever http_proxy says


class EmulatorClient(Emulator):
    """An emulator that runs elsewhere on this machine: one that `spawn` started, or any.

    Args:
        rest_endpoint: Its address of REST.
        process: Its process, which `stop` ends; None when it is somebody else's.
    """

    def __init__(self, rest_endpoint: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self._address = rest_endpoint
        self._process = process
        self._endpoints: Endpoints | None = None

    @classmethod
    def spawn(
        cls,
        command: Sequence[str] = EMBEDDED,
        *,
        manual_clock: bool = False,
        speed: float = SPEED,
        main_class: str | None = MAIN_CLASS,
        grace: float = 5.0,
        environment: Mapping[str, str] | None = None,
    ) -> EmulatorClient:
        """Start an emulator in a process of its own, which also ends when this one does.

        Args:
            command: As of `GcpEmulator`.
            manual_clock: True if its clock stands still until it is moved on.
            speed: As of `GcpEmulator`.
            main_class: As of `GcpEmulator`.
            grace: As of `GcpEmulator`.
            environment: All of its environment, which its jobs inherit; by default that of this process.

        Returns:
            A client of the emulator, for use in a ``with`` statement.

        Raises:
            StarlakeError: If it does not start.
        """
        argv = [sys.executable, "-m", "starlake_gcp_emulator", "--json", "--die-with-parent"]
        argv += ["--command", shlex.join(command), "--speed", str(speed), "--grace", str(grace)]
        argv += ["--main-class", main_class or ""] + ["--manual-clock"] * manual_clock
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            start_new_session=True,  # a signal to this group of processes must not end it
        )
        client = cls("", process)
        try:
            client._address = json.loads(_first_line(process))["rest_endpoint"]
        except BaseException:
            client.stop()
            raise
        return client

    def __enter__(self) -> EmulatorClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The id of the process that `spawn` started."""
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """End the process that `spawn` started, and all processes of its jobs and executions."""
        if self._process is None:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def endpoints(self) -> Endpoints:
        """Addresses of the emulator."""
        if self._endpoints is None:
            self._endpoints = Endpoints(**self._ask("GET", "endpoints"))
        return self._endpoints

    def _show(self, what: str) -> list[Any]:
        found = cast("list[dict[str, Any]]", self._ask("GET", what))
        return [_KINDS[what](**{name: _frozen(value) for name, value in one.items()}) for one in found]

    def _do(self, action: str, **arguments: Any) -> None:
        self._ask("POST", action, arguments)

    def _wait(self, condition: Callable[[], Any], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        version = -1
        while True:
            left = deadline - time.monotonic()
            version = self._ask("GET", f"changed?after={version}&within={max(left, 0):.3f}")
            if condition():
                return True
            if left <= 0:
                return False

    def _ask(self, verb: str, path: str, arguments: Mapping[str, Any] | None = None) -> Any:
        content = None if arguments is None else json.dumps(arguments).encode()
        request = Request(self._address + PREFIX + path, data=content, method=verb)  # noqa: S310
        try:
            with _opener.open(request, timeout=_ANSWER) as answer:
                return json.load(answer)
        except HTTPError as error:
            told = json.load(error)
            raise StarlakeError(told["culprit"], cause=told["cause"], fix=told["fix"]) from None
        except OSError as error:
            raise StarlakeError(f"the emulator at {self._address} does not answer", cause=str(error)) from error


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """Return what the process says when it is ready."""
    if process.stdout is None:
        raise StarlakeError("the emulator has no standard output")
    line = b""
    deadline = time.monotonic() + _START
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            data = os.read(process.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise StarlakeError(
                    "the emulator does not start", cause="it wrote to standard error why, or said nothing for a minute"
                )
            line += data
    return line
