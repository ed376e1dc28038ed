"""A signal handler may raise at any instruction while a lock is taken, held or released."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ai.starlake.common import file_locks
from ai.starlake.common.file_locks import FileLock
from ai.starlake.embedded.areas import turns
from ai.starlake.embedded.interruption import Interruption
from ai.starlake.executor import Execution, database_lock
from ai.starlake.executor.database_lock import writer_locks
from tests.executor.conftest import Recorder


class HandlerError(BaseException):
    """Raised by a signal handler."""


class Interrupter:
    """Raises at one instruction of the traced files, as a signal handler does.

    Args:
        at: The number of the instruction.
        files: The files that are traced.
    """

    def __init__(self, at: int, *files: str) -> None:
        self.left = at
        self.files = files
        self.has_raised = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> Interrupter | None:
        if frame.f_code.co_filename not in self.files or frame.f_code.co_name == "__del__":
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and not self.has_raised:
            self.left -= 1
            if self.left < 0:
                self.has_raised = True
                raise HandlerError
        return self


def interrupted_at(at: int, act: Callable[[], None], *files: str) -> bool:
    """Run something that is interrupted at an instruction; return False if it has ended before that."""
    interrupter = Interrupter(at, *files)
    before = sys.gettrace()
    sys.settrace(interrupter)
    try:
        act()
    except HandlerError:
        pass
    finally:
        sys.settrace(before)
    return interrupter.has_raised


def take_writer_locks(folder: Path) -> None:
    paths = [folder / "a.lock", folder / "b.lock"]
    with writer_locks(paths, Execution("run", "step", Recorder()), timeout=0):
        pass


def take_turns(folder: Path) -> None:
    with turns.turns(folder, ["sales.orders"], wait=0, interruption=Interruption()):
        pass


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("act", [take_writer_locks, take_turns])
def test_no_lock_is_lost_wherever_a_signal_handler_raises(tmp_path, monkeypatch, act):
    monkeypatch.setattr(database_lock, "SETTLE", 0.0)  # an interrupted holder may leave its note
    files = [module.__file__ or "" for module in (contextlib, database_lock, file_locks, turns)]
    at = 0
    while interrupted_at(at, lambda: act(tmp_path), *files):
        for name in ("a.lock", "b.lock", *(path.name for path in tmp_path.glob(".starlake-turn-*"))):
            lock = FileLock(tmp_path / name, fix="")
            if not lock.acquire():
                gc.collect()  # `ExitStack` refers to the errors of its callbacks, which refer to its frame
                assert lock.acquire(), f"{name} is still held after an interruption at instruction {at}"
            lock.release()
        at += 1
    assert at > 200  # the whole way was interrupted
