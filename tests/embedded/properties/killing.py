"""Runs the command in a process that is killed: after a while, or before one of the changes that it makes."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

# A forked process need not import these again.
import duckdb  # noqa: F401
import jinja2.sandbox  # noqa: F401
import tenacity  # noqa: F401

import ai.starlake.embedded.cli.console
import ai.starlake.embedded.intake.formats.dsv
import ai.starlake.embedded.transform.transforms  # noqa: F401
from ai.starlake.embedded.cli.main import run
from ai.starlake.embedded.database.connection import Database
from ai.starlake.embedded.interruption import Interruption
from ai.starlake.embedded.warehouse.duckdb.duckdb_warehouse import DuckDBWarehouse

KILLED = -signal.SIGKILL
_READS = ("SELECT", "DESCRIBE", "FROM")
_FILE_EVENTS = frozenset({"os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime"})
"""Audit events of Python that always change something; those that may make a file or folder are seen to apart."""


@dataclass(frozen=True)
class Kill:
    """A time to kill a process.

    A kill before a change finds what one after the change before it would find: all that changes files is counted.

    Args:
        point: Number of the change before which it is killed, from 1: a statement that may change the database, the end
            of a connection, anything done to a file or folder of the project; 0 for no change.
        delay: Seconds after its start, None for never.
    """

    point: int = 0
    delay: float | None = None


NEVER = Kill()


def run_command(arguments: list[str], environment: Mapping[str, str], log: Path, kill: Kill = NEVER) -> int:
    """Run ``starlake-embedded`` in a process of its own.

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
    """Run the command to its end, which must be a good one; return how many changes it makes."""
    code, points = _run(arguments, environment, log, NEVER)
    assert code == 0, log.read_text(encoding="utf-8")
    return points


def _run(arguments: list[str], environment: Mapping[str, str], log: Path, kill: Kill) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        watch = Watch(kill, Path(environment["SL_ROOT"]))
        become(arguments, environment, log, watch.begin, lambda: os.write(writing, str(watch.passed).encode()))
    os.close(writing)
    if kill.delay is not None:
        time.sleep(kill.delay)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        points = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), int(points or 0)


def become(
    arguments: list[str],
    environment: Mapping[str, str],
    log: Path,
    begin: Callable[[], object],
    end: Callable[[], object] | None = None,
) -> NoReturn:
    """Turn a forked process into the command.

    Args:
        arguments: The arguments.
        environment: The whole environment of the process.
        log: The file that its output goes to.
        begin: Called before the command.
        end: Called after it.
    """
    code = 70
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.environ.clear()
        os.environ.update(environment)
        gc.disable()  # it would touch, and so copy, all that the parent has
        begin()
        code = run(arguments)
        if end is not None:
            end()
    finally:
        os._exit(code)


class Watch:
    """Counts the changes that this process makes, from `begin` to its end, and kills it before one of them.

    Args:
        kill: Before which.
        root: The folder of the project.
    """

    def __init__(self, kill: Kill, root: Path) -> None:
        self.passed = 0
        self._kill = kill
        self._root = root
        self._created: set[str] = set()

    def begin(self) -> None:
        """Begin to count; there is no way back."""
        execute, unmark, reaching = Database.execute, DuckDBWarehouse.unmark, Interruption.reaching

        def executed(database: Database, query: str, parameters: list[Any] | None = None) -> Any:
            if self._is_changing(query):
                self._change()
            return execute(database, query, parameters)

        def unmarked(warehouse: DuckDBWarehouse, name: str) -> None:
            self._change()
            unmark(warehouse, name)

        @contextlib.contextmanager
        def reached(interruption: Interruption, connection: Any) -> Iterator[None]:
            with reaching(interruption, connection):
                yield
            self._change()  # the connection is closed next, which writes to the file of the database

        for owner, name, function in (
            (Database, "execute", executed),
            (DuckDBWarehouse, "unmark", unmarked),
            (Interruption, "reaching", reached),
        ):
            setattr(owner, name, function)
        sys.addaudithook(self._heard)

    def _is_changing(self, query: str) -> bool:
        if query.lstrip().startswith(_READS) or query in self._created:
            return False
        if " IF NOT EXISTS " in query:
            self._created.add(query)
        return True

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        changes = (
            event in _FILE_EVENTS
            or (event == "os.mkdir" and not os.path.lexists(arguments[0]))
            or (event == "open" and self._is_made(*arguments))
        )
        if changes and self._is_ours(Path(arguments[0])):
            self._change()

    def _is_made(self, file: object, mode: object, flags: int) -> bool:
        if not isinstance(file, (str, os.PathLike)):
            return False
        return bool(flags & os.O_TRUNC or (flags & os.O_CREAT and not os.path.lexists(file)))

    def _is_ours(self, place: Path) -> bool:
        return not place.is_absolute() or place.is_relative_to(self._root)

    def _change(self) -> None:
        self.passed += 1
        if self.passed == self._kill.point:
            os.kill(os.getpid(), signal.SIGKILL)
