"""Ops that decide whether a domain is loaded.

"Nothing to load" is something that a check finds out, never what is left when it fails: whatever keeps it from looking
fails the run.
"""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from dagster import DagsterEventType, OpExecutionContext, Out

from ai.starlake.common import StarlakeError, date_variables
from ai.starlake.dagster import _compat
from ai.starlake.dagster.commands import DRY_RUN, CommandRunner, failures, is_dry_run
from ai.starlake.dagster.ops import Body, Event, outputs
from ai.starlake.dagster.patience import Finding, Patience
from ai.starlake.dagster.run import RunDates
from ai.starlake.job import StarlakeCommand
from ai.starlake.job.masking import shown
from ai.starlake.job.references import resolve_environment

READY, SKIPPED = "load_domain", "skipped"


class Check(Protocol):
    """Finds out whether a domain is to be loaded."""

    @property
    def for_ack(self) -> bool:
        """Whether it looks for an ack file."""
        ...

    def look(self, runner: CommandRunner, context: OpExecutionContext, dates: RunDates) -> Finding:
        """Looks once.

        Raises:
            StarlakeError: If it cannot find out.
        """
        ...


@dataclass(frozen=True)
class PreLoadBody(Body):
    """Decides whether a domain is loaded.

    Args:
        runner: Runs commands.
        check: Finds out.
        domain: The domain.
        ready: The outputs when there is something to load.
        skipped: The outputs when there is nothing.
    """

    runner: CommandRunner
    check: Check
    domain: str
    ready: Mapping[str, Out] = field(hash=False)
    skipped: Mapping[str, Out] = field(hash=False)

    @property
    def subject(self) -> str | None:
        """The domain."""
        return self.domain

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Decides within an op."""
        if is_dry_run(context):
            context.log.info(f"dry run: domain {self.domain} is taken as ready, nothing is looked at")
            if isinstance(self.check, CommandCheck):
                with failures(retry=False):
                    command = self.check.planned(self.runner, context)
                context.log.info(f"{DRY_RUN}{shown(command)}")
            yield from outputs(self.ready, self.domain)
            return
        patience = Patience.of(self.runner.settings, for_ack=self.check.for_ack)
        with failures():
            found = _as_before(context, tuple(self.ready)) or self._look(context, patience)
        if warning := found.warning():
            context.log.warning(warning)
        with failures(retry=False):
            patience.check(found, self.domain)
        decision = "is loaded" if found.ready else "is skipped"
        context.log.info(f"domain {self.domain} {decision}: {found.reason}")
        yield from outputs(self.ready if found.ready else self.skipped, self.domain)

    def _look(self, context: OpExecutionContext, patience: Patience) -> Finding:
        from ai.starlake.executor import storage

        dates = self.runner.dates(context)
        with storage.storage_settings(self.runner.settings.storage_settings):
            return patience.wait(lambda: self.check.look(self.runner, context, dates), context.log.info)


def _as_before(context: OpExecutionContext, ready: tuple[str, ...]) -> Finding | None:
    """What the run that this one continues found, if it was ready.

    Its files have been moved on and its ack file is consumed by then: looking again would find nothing, and the rows of
    a failed load would be left behind by a run that succeeds. A run that was continued from its failure did not look
    itself; what counts is the last one that did.
    """
    step = context.get_step_execution_context().step.key
    parent = _compat.parent_run_of(context.run)
    while parent:
        found = _outputs_of(context, parent, step)
        if found:
            reason = f"run {parent}, which this run continues, found it ready"
            return Finding(ready=True, reason=reason) if found & set(ready) else None
        run = context.instance.get_run_by_id(parent)
        parent = _compat.parent_run_of(run) if run else None
    return None


def _outputs_of(context: OpExecutionContext, run_id: str, step: str) -> set[str]:
    """The names of the outputs that a step of another run yielded."""
    entries = context.instance.all_logs(run_id, of_type=DagsterEventType.STEP_OUTPUT)
    events = (entry.dagster_event for entry in entries)
    return {
        event.step_output_data.step_output_handle.output_name for event in events if event and event.step_key == step
    }


@dataclass(frozen=True)
class FilesCheck:
    """Looks for files in folders.

    Args:
        domain: The domain.
        folders: Path templates of the folders; a file in any of them will do.
    """

    domain: str
    folders: tuple[str, ...]
    for_ack = False

    def look(self, runner: CommandRunner, context: OpExecutionContext, dates: RunDates) -> Finding:  # noqa: ARG002
        """Looks once."""
        from ai.starlake.executor import storage

        variables = path_variables(runner, self.domain, dates)
        folders = [render_path(folder, variables) for folder in self.folders]
        is_read = any(folder.startswith(variables["SL_ROOT"]) for folder in folders)
        _require_root(storage.local_path(variables["SL_ROOT"]), is_read=is_read)
        counts = {folder: len(storage.Location.of(folder).list_files()) for folder in folders}
        found = [f"{count} file(s) in {folder}" for folder, count in counts.items() if count]
        if found:
            return Finding(ready=True, reason="; ".join(found))
        warning = partial(_left_behind, self.domain, variables)
        return Finding(ready=False, reason=f"no file in {' or '.join(folders)}", warning=warning)


@dataclass(frozen=True)
class AckCheck:
    """Looks for an ack file, and consumes it.

    Args:
        domain: The domain.
        path: Path template of the file.
    """

    domain: str
    path: str
    for_ack = True

    def look(self, runner: CommandRunner, context: OpExecutionContext, dates: RunDates) -> Finding:  # noqa: ARG002
        """Looks once."""
        from ai.starlake.executor import storage

        variables = path_variables(runner, self.domain, dates)
        path = render_path(self.path, variables)
        if path.startswith(variables["SL_ROOT"]):
            _require_root(storage.local_path(variables["SL_ROOT"]), is_read=True)
        if storage.Location.of(path).remove():
            return Finding(ready=True, reason=f"found ack file {path}, which is removed now")
        return Finding(ready=False, reason=f"no ack file {path}")


@dataclass(frozen=True)
class CommandCheck:
    """Asks ``starlake preload``.

    It says "not ready" by a file; its exit code alone does not tell that from a failure.

    Args:
        command: The command, without ``--notReadySentinel`` and ``--globalAckFilePath``.
        domain: The domain.
        ack: Path template of the ack file, for the strategy ``ack``.
    """

    command: StarlakeCommand
    domain: str
    ack: str | None

    @property
    def for_ack(self) -> bool:
        """Whether it looks for an ack file."""
        return self.ack is not None

    def look(self, runner: CommandRunner, context: OpExecutionContext, dates: RunDates) -> Finding:
        """Asks once."""
        command = self._complete(runner, dates)
        return Finding(self._ask(command, runner, context), f"so says {shown(command)}")

    def planned(self, runner: CommandRunner, context: OpExecutionContext) -> StarlakeCommand:
        """The command that would ask, but for ``--notReadySentinel``, whose file is another one each time."""
        return self._complete(runner, runner.dates(context))

    def _complete(self, runner: CommandRunner, dates: RunDates) -> StarlakeCommand:
        if self.ack is None:
            return self.command
        path = render_path(self.ack, path_variables(runner, self.domain, dates))
        return self.command.with_arguments("--globalAckFilePath", path)

    def _ask(self, command: StarlakeCommand, runner: CommandRunner, context: OpExecutionContext) -> bool:
        from ai.starlake.executor import storage

        with tempfile.TemporaryDirectory(prefix="starlake-preload-") as scratch:
            folder = runner.settings.pre_load_not_ready_sentinel_path or scratch
            name = re.sub(r"\W", "_", f"{self.domain}.{context.run_id}.{uuid.uuid4().hex}")  # each answer is its own
            sentinel = f"{folder.rstrip('/')}/{name}.notready"
            runner.run(command.with_arguments("--notReadySentinel", sentinel), context)
            return not storage.Location.of(sentinel).remove()


def path_variables(runner: CommandRunner, domain: str, dates: RunDates) -> dict[str, str]:
    """What path templates may refer to: the areas and variables of Starlake, the domain, the logical date."""
    environment, _ = resolve_environment(runner.settings.environment)
    known = {name: value for name, value in os.environ.items() if name.startswith("SL_")} | environment
    root = known.get("SL_ROOT") or os.getcwd()  # noqa: PTH109  a text, as Starlake's launcher takes it
    datasets = known.get("SL_DATASETS") or f"{root.rstrip('/')}/datasets"
    return {**known, **date_variables(dates.logical), "SL_ROOT": root, "SL_DATASETS": datasets, "domain": domain}


def _left_behind(domain: str, variables: Mapping[str, str]) -> str:
    """A warning of the files of a domain that failed loads left in the ingesting area; none where there are none.

    Nor where the project cannot be read. One in an object store is not: it would cost a request per file of it.
    """
    from ai.starlake.executor import storage, stranded_files
    from ai.starlake.project.facts import ProjectFacts

    if storage.local_path(variables["SL_ROOT"]) is None:
        return ""
    try:
        left = stranded_files(ProjectFacts(variables["SL_ROOT"], variables), domain)
    except StarlakeError:
        return ""
    if not left:
        return ""
    return (
        f"{len(left)} file(s) of domain {domain} that an earlier load left behind are not loaded: "
        f"{', '.join(left)}; re-execute the run that failed, or move them back into the pending area"
    )


def _require_root(root: Path | None, *, is_read: bool) -> None:
    """A missing folder means that no file waits there; a missing project means that something is wrong.

    Args:
        root: The project, None if it is not on this machine. Without ``SL_ROOT`` it is the working folder, which may be
            any.
        is_read: Whether what is looked for is in it, so that it has to be a project.

    Raises:
        StarlakeError: If there is no project.
    """
    if root is None:
        return
    if not root.is_dir():
        raise StarlakeError(
            f"SL_ROOT is {root}, which is no folder",
            fix="set SL_ROOT in sl_env_var to the folder of the Starlake project",
        )
    if is_read and root == Path.cwd() and not (root / "metadata").is_dir():
        raise StarlakeError(
            f"the working folder {root} is not a Starlake project",
            cause="it has no folder metadata, and is where the project is looked for without SL_ROOT",
            fix="set SL_ROOT to the folder of the project, in sl_env_var or in the environment of Dagster",
        )


def render_path(template: str, variables: Mapping[str, str]) -> str:
    """Fills in a path template: ``{{name}}`` and ``{name}`` alike, and ``{{{{name}}}}`` as Starlake's README writes it.

    Raises:
        StarlakeError: If it refers to something unknown.
    """

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name not in variables:
            raise StarlakeError(
                f"the path {template!r} refers to {name}, which is not known",
                fix=f"use {', '.join(sorted(name for name in variables if not name.startswith('SL_')))}, "
                "SL_ROOT, SL_DATASETS or another variable of sl_env_var that begins with SL_",
            )
        return variables[name]

    return re.sub(r"\{+\s*(\w+)\s*\}+", value_of, template)
