"""Runs the command in a process that is killed: after a while, or at one of the points where it changes something."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A forked process need not import these again.
import duckdb  # noqa: F401
import jinja2.sandbox  # noqa: F401
import tenacity  # noqa: F401

import ai.starlake.embedded.cli.console
import ai.starlake.embedded.intake.formats.dsv
import ai.starlake.embedded.transform.transforms  # noqa: F401
from ai.starlake.embedded.cli.main import run
from ai.starlake.embedded.database.connection import Database

KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Kill:
    """A time to kill a process.

    Args:
        point: Number of its change, from 1: a statement for the database, a file that is renamed or deleted; 0 for no
            change.
        done: Whether that change is still made.
        delay: Seconds after its start, None for never.
    """

    point: int = 0
    done: bool = False
    delay: float | None = None


NEVER = Kill()


def run_command(arguments: list[str], environment: Mapping[str, str], log: Path, kill: Kill = NEVER) -> int:
    """Runs ``starlake-embedded`` in a process of its own.

    Args:
        arguments: The arguments.
        environment: The whole environment of the process.
        log: The file that its output goes to.
        kill: When to kill it.

    Returns:
        The exit code, `KILLED` when it was killed.
    """
    code, _ = _run(arguments, environment, log, kill)
    return code


def count_points(arguments: list[str], environment: Mapping[str, str], log: Path) -> int:
    """Runs the command to its end, which must be a good one; returns how many changes it makes."""
    code, points = _run(arguments, environment, log, NEVER)
    assert code == 0, log.read_text(encoding="utf-8")
    return points


def _run(arguments: list[str], environment: Mapping[str, str], log: Path, kill: Kill) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _become(arguments, environment, log, kill, writing)
    os.close(writing)
    if kill.delay is not None:
        time.sleep(kill.delay)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        points = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), int(points or 0)


def _become(arguments: list[str], environment: Mapping[str, str], log: Path, kill: Kill, writing: int) -> None:
    """Turns the forked process into the command; never returns."""
    code = 70
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.environ.clear()
        os.environ.update(environment)
        watch = _Watch(kill)
        for owner, name in ((Database, "execute"), (Path, "replace"), (Path, "unlink")):
            setattr(owner, name, watch.watched(getattr(owner, name)))
        code = run(arguments)
        os.write(writing, str(watch.passed).encode())
    finally:
        os._exit(code)


class _Watch:
    """Counts the changes that a process makes and kills it at one of them."""

    def __init__(self, kill: Kill) -> None:
        self.passed = 0
        self._kill = kill

    def watched(self, function: Any) -> Any:
        """The function, counted."""

        @functools.wraps(function)
        def change(*arguments: Any, **keywords: Any) -> Any:
            self.passed += 1
            here = self.passed == self._kill.point
            if here and not self._kill.done:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments, **keywords)
            if here:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return change
