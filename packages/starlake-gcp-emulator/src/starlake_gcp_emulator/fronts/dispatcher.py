"""The one way from either front to the services: journal, faults, lock."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import Any

from starlake_gcp_emulator.errors import Code, RpcError
from starlake_gcp_emulator.faults import Fault, Faults
from starlake_gcp_emulator.journal import IN_FLIGHT, Call, Journal
from starlake_gcp_emulator.methods import Method
from starlake_gcp_emulator.state.messages import as_dict
from starlake_gcp_emulator.state.world import World

_log = logging.getLogger(__name__)


class Dispatcher:
    """Answers calls.

    Args:
        world: The shared state.
        journal: Record of calls.
        faults: Faults to inject.
    """

    def __init__(self, world: World, journal: Journal, faults: Faults) -> None:
        self._world = world
        self._journal = journal
        self._faults = faults

    def call(self, method: Method, request: Any) -> Any:
        """Answers one call.

        Raises:
            RpcError: If the service refuses it, or a fault strikes.
        """
        call = Call(
            method.service, method.name, as_dict(request), IN_FLIGHT, injected=False, time=self._world.clock.now()
        )
        with ExitStack() as lock:
            lock.enter_context(self._world.changed)  # so that the journal has the order of the side effects
            number = self._journal.note(call)
            fault = self._faults.striking(call)
            try:
                response = self._answer(method, request, fault, lock)
            except RpcError as error:
                self._journal.answer(number, error.code.name, injected=isinstance(error, InjectedError))
                raise
            self._journal.answer(number, Code.OK.name, injected=fault is not None)
        return response

    def _answer(self, method: Method, request: Any, fault: Fault | None, lock: ExitStack) -> Any:
        if method.waits:
            lock.close()
        if fault is not None and fault.when == "before":
            lock.close()
            _strike(fault)
        try:
            return self._handle(method, request)
        finally:
            if fault is not None and fault.when == "after":
                lock.close()
                _strike(fault)

    def _handle(self, method: Method, request: Any) -> Any:
        try:
            if method.waits:
                return method.handler(request)
            with self._world.changed:
                response = method.handler(request)
                self._world.touch()
                return response
        except RpcError:
            raise
        except Exception as error:
            _log.exception("%s failed in the emulator", method.full_name)
            raise RpcError(Code.INTERNAL, f"the emulator itself failed: {error!r}") from error


class InjectedError(RpcError):
    """A fault that was ordered."""


def _strike(fault: Fault) -> None:
    fault.meet()
    time.sleep(fault.delay)
    if fault.code is not Code.OK:
        raise InjectedError(fault.code, fault.message)
