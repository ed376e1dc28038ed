"""Runs commands by calling the engine."""

from __future__ import annotations

import ctypes
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import click

from ai.starlake.common import Redactor, StarlakeError
from ai.starlake.embedded import Engine
from ai.starlake.embedded.cli.console import Console
from ai.starlake.embedded.cli.main import starlake
from ai.starlake.embedded.results import LoadResult
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.protocol import CommandFailedError, Execution, Reporter, StarlakeCounts, StarlakeResult
from ai.starlake.executor.recovery import names_of, stranded_files
from ai.starlake.job import StarlakeCommand
from ai.starlake.project.file_facts import FileFacts

_GLANCE = 0.5
_BLOWS = (1.0, 3.0)
"""Seconds after an interruption at which Python code that goes on is ended; what it cleans up then takes its time."""
_LAST = 5.0
"""Seconds after which it is no longer waited for."""


class EmbeddedExecutor:
    """Runs commands of Starlake on the embedded engine.

    A failed or killed load leaves its files where the next one finds them, and processes that write into one DuckDB
    file wait for each other: the engine sees to both.
    """

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        """Runs a command to its end.

        Raises:
            StarlakeError: If the command fails, or if the engine does not know it.
        """
        started = time.monotonic()
        prepared = PreparedCommand.of(command, execution, os.environ)
        try:
            with _warnings_to(execution.report, prepared.redactor):
                counts = _call(command, prepared.environment, Console(prepared.mask), execution.report)
        except StarlakeError as error:
            verdict = prepared.mask(str(error))
            raise CommandFailedError(prepared.shown(), 1, None, how="failed", verdict=verdict) from None
        return StarlakeResult(duration=time.monotonic() - started, counts=counts)

    def files_left(self, command: StarlakeCommand, execution: Execution) -> list[str]:
        """Return the files that loads which are over may have left; a load that finds none of its own does no harm.

        Raises:
            StarlakeError: If that cannot be found out.
        """
        environment = PreparedCommand.of(command, execution, os.environ).environment
        facts = FileFacts(environment.get("SL_ROOT") or Path.cwd(), environment)
        return [file for domain in names_of(command, "--domains") for file in stranded_files(facts, domain)]


def _call(
    command: StarlakeCommand, environment: Mapping[str, str], console: Console, report: Reporter
) -> StarlakeCounts | None:
    verb = _VERBS.get(command.verb)
    if verb is None:
        raise StarlakeError(
            f"the embedded engine does not run `starlake {command.verb}` within an op", fix=f"use {', '.join(_VERBS)}"
        )
    given = _parse(command)
    options = given.pop("options", {})
    engine = Engine.open(environment=environment, options=options, reporter=console)
    return _interruptible(engine, lambda: verb(engine, given), report)


def _interruptible(
    engine: Engine, call: Callable[[], StarlakeCounts | None], report: Reporter
) -> StarlakeCounts | None:
    """Calls the engine in a thread of its own, so that an interruption of the step ends what it does.

    Queries notice it at once. Python code, of a task or of the engine, gets an exception between two of its own
    instructions. A thread that does not get there, as in a long sleep, is left behind with a warning. It is
    a daemon thread: the process does not wait for it at its end, and DuckDB then rolls back what it had open.
    """
    work = _Work(call)
    try:
        while not work.ended(within=_GLANCE):
            pass
    except BaseException:
        _end(engine, work, report)
        raise
    return work.result()


def _end(engine: Engine, work: _Work, report: Reporter) -> None:
    started = time.monotonic()
    blows = list(_BLOWS)
    while not work.ended(within=0):
        passed = time.monotonic() - started
        if passed >= _LAST:
            report.warning(
                "the command does not react to its interruption, and is left behind: it ends with this process"
            )
            return
        engine.interrupt()
        if blows and passed >= blows[0]:
            blows.pop(0)
            work.interrupt()
        work.ended(within=_GLANCE)


class _Interrupted(BaseException):
    """Raised in Python code that is interrupted; not an `Exception`, so that code that catches errors lets it pass."""


class _Work:
    """A call in a thread that no process waits for at its end."""

    def __init__(self, call: Callable[[], StarlakeCounts | None]) -> None:
        self._future: Future[StarlakeCounts | None] = Future()
        self._thread = Thread(target=self._run, args=(call,), name="starlake-embedded", daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], StarlakeCounts | None]) -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001  raised again where the result is wanted
            self._future.set_exception(error)
        else:
            self._future.set_result(result)

    def ended(self, *, within: float) -> bool:
        """Returns whether the call ended; waits some seconds for that."""
        wait([self._future], timeout=within)
        return self._future.done() or not self._thread.is_alive()

    def result(self) -> StarlakeCounts | None:
        """Returns what the call returned, or raises what it raised."""
        return self._future.result(timeout=0)

    def interrupt(self) -> None:
        """Raises an exception in the thread, when it next runs an instruction of Python."""
        if self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(_Interrupted)
            )


def _parse(command: StarlakeCommand) -> dict[str, Any]:
    """The arguments of a command, read as the command line reads them."""
    definition = starlake.commands[command.verb]
    try:
        with definition.make_context(command.verb, list(command.argv[1:])) as context:
            return dict(context.params)
    except click.ClickException as error:
        raise StarlakeError(f"`starlake {command.verb}`: {error.format_message()}") from None


def _stage(engine: Engine, given: Mapping[str, Any]) -> None:
    engine.stage(given["domains"], given["tables"])


def _preload(engine: Engine, given: Mapping[str, Any]) -> None:
    found = engine.preload(given["domain"], given["tables"], strategy=given["strategy"], ack_file=given["ack_file"])
    if found.ready:
        return
    if given["sentinel"] is None:
        raise StarlakeError(f"domain {given['domain']} has nothing to load")
    Path(given["sentinel"].removeprefix("file:")).touch()


def _load(engine: Engine, given: Mapping[str, Any]) -> StarlakeCounts:
    result: LoadResult = engine.load(
        given["domains"],
        given["tables"],
        files=given["files"],
        in_place=given["in_place"],
        scheduled=given["scheduled"],
    )
    if result.failures:
        raise StarlakeError("\n".join(f"{job.domain}.{job.table}: {job.error}" for job in result.failures))
    return StarlakeCounts(
        result.input_count,
        result.accepted_count,
        result.rejected_count,
        result.warning_count,
        files=bool(result.jobs),
        lost_files=sum(job.rejected_count > 0 and job.accepted_count == 0 for job in result.jobs),
    )


def _transform(engine: Engine, given: Mapping[str, Any]) -> None:
    request = TransformRequest(
        given["name"], recursive=given["recursive"], compile=given["compile_only"], truncate=given["truncate"]
    )
    result = engine.transform(request, scheduled=given["scheduled"])
    if result.error is not None:
        raise StarlakeError(result.error)


_VERBS: dict[str, Callable[[Engine, Mapping[str, Any]], StarlakeCounts | None]] = {
    "stage": _stage,
    "import": _stage,
    "preload": _preload,
    "load": _load,
    "transform": _transform,
    "job": _transform,
}


@contextmanager
def _warnings_to(report: Reporter, redactor: Redactor) -> Iterator[None]:
    """What the engine logs as a warning goes to the event log."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            report.warning(redactor.mask(record.getMessage()))

    logger, handler = logging.getLogger("ai.starlake"), Handler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
