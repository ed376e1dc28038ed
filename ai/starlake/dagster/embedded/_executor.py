"""Runs commands by calling the engine."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ai.starlake.common import Redactor, StarlakeError
from ai.starlake.embedded import Engine
from ai.starlake.embedded.cli import starlake
from ai.starlake.embedded.console import Console
from ai.starlake.embedded.results import LoadResult
from ai.starlake.embedded.task_run import TransformRequest
from ai.starlake.executor.protocol import CommandFailedError, Execution, Reporter, StarlakeCounts, StarlakeResult
from ai.starlake.executor.recovery import names_of, stranded_files
from ai.starlake.job import StarlakeCommand
from ai.starlake.job.masking import resolve_secrets
from ai.starlake.project.facts import ProjectFacts

_GLANCE = 0.5


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
        own, redactor = resolve_secrets(command)
        environment = {**os.environ, "SL_JOB_ID": execution.job_id, **own}
        try:
            with _warnings_to(execution.report, redactor):
                counts = _call(command, environment, Console(redactor.mask))
        except StarlakeError as error:
            shown = redactor.shown(("starlake", *command))
            raise CommandFailedError(shown, 1, None, how="failed", verdict=redactor.mask(str(error))) from None
        return StarlakeResult(duration=time.monotonic() - started, counts=counts)

    def files_left(self, command: StarlakeCommand, execution: Execution) -> list[str]:  # noqa: ARG002
        """Return the files that loads which are over may have left; a load that finds none of its own does no harm.

        Raises:
            StarlakeError: If that cannot be found out.
        """
        own, _ = resolve_secrets(command)
        environment = {**os.environ, **own}
        facts = ProjectFacts(environment.get("SL_ROOT") or Path.cwd(), environment)
        return [file for domain in names_of(command, "--domains") for file in stranded_files(facts, domain)]


def _call(command: StarlakeCommand, environment: Mapping[str, str], console: Console) -> StarlakeCounts | None:
    verb = _VERBS.get(command.verb)
    if verb is None:
        raise StarlakeError(
            f"the embedded engine does not run `starlake {command.verb}` within an op", fix=f"use {', '.join(_VERBS)}"
        )
    given = _parse(command)
    options = given.pop("options", {})
    engine = Engine.open(environment=environment, options=options, reporter=console)
    return _interruptible(engine, lambda: verb(engine, given))


def _interruptible(engine: Engine, call: Callable[[], StarlakeCounts | None]) -> StarlakeCounts | None:
    """Calls the engine in a thread of its own, so that an interruption of the step ends the query that runs."""
    with ThreadPoolExecutor(1, thread_name_prefix="starlake-embedded") as pool:
        work = pool.submit(call)
        try:
            while not work.done():
                wait([work], timeout=_GLANCE)
        except BaseException:
            while not work.done():
                engine.interrupt()
                wait([work], timeout=_GLANCE)
            raise
    return work.result()


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
