"""Ops that decide whether a domain is loaded.

"Nothing to load" is something that a check finds out, never what is left when it fails: whatever keeps it from looking
fails the run.
"""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dagster import DagsterEventType, OpExecutionContext, Out

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import _compat
from ai.starlake.dagster.commands import DRY_RUN, CommandRunner, failures, is_dry_run
from ai.starlake.dagster.ops import Body, Event, outputs
from ai.starlake.dagster.project_view import ProjectView
from ai.starlake.dagster.waiting_files import missing
from ai.starlake.executor.prepared import shown
from ai.starlake.job import StarlakeCommand
from ai.starlake.orchestration.preload.waiting import Finding, Patience

READY, SKIPPED = "load_domain", "skipped"


class Check(Protocol):
    """Finds out whether a domain is to be loaded."""

    @property
    def for_ack(self) -> bool:
        """Whether it looks for an ack file."""
        ...

    def look(self, view: ProjectView) -> Finding:
        """Look once.

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
            context.log.info(f"dry run: domain {self.domain} counts as ready, nothing is checked")
            if isinstance(self.check, CommandCheck):
                with failures(retry=False):
                    command = self.check.planned(self._view(context))
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
        decision = "will be loaded" if found.ready else "is skipped"
        context.log.info(f"domain {self.domain} {decision}: {found.reason}")
        yield from outputs(self.ready if found.ready else self.skipped, self.domain)

    def _look(self, context: OpExecutionContext, patience: Patience) -> Finding:
        from ai.starlake.common.storage import location as storage

        view = self._view(context)
        settings = self.runner.settings
        with storage.storage_settings(settings.storage_settings), settings.project_files():
            return patience.wait(lambda: self._look_once(view), context.log.info)

    def _look_once(self, view: ProjectView) -> Finding:
        found = self.check.look(view)
        left = [] if found.ready else self._left_by_others(view.context)
        if not left:
            return found
        return Finding(ready=True, reason=f"{found.reason}; but a load that failed left {', '.join(left)}")

    def _left_by_others(self, context: OpExecutionContext) -> list[str]:
        """Return the files that failed loads left; nothing else that is waited for may come any more."""
        ask = getattr(self.runner.executor(), "files_left", None)
        if ask is None:  # an executor of somebody else's
            return []
        command = StarlakeCommand("load", ("--domains", self.domain), environment=self.runner.settings.environment)
        try:
            return list(ask(command, self.runner.execution(context)))
        except StarlakeError as error:
            context.log.warning(f"files that failed loads of {self.domain} left are not searched for: {error}")
            return []

    def _view(self, context: OpExecutionContext) -> ProjectView:
        return ProjectView(self.runner, context, self.runner.dates(context), self.domain)


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
class AckCheck:
    """Looks for an ack file, and consumes it.

    Args:
        path: Path template of the file.
    """

    path: str
    for_ack = True

    def look(self, view: ProjectView) -> Finding:
        """Look once."""
        from ai.starlake.common.storage import location as storage

        path = view.render(self.path)
        if storage.Location.of(path).remove():
            return Finding(ready=True, reason=f"found ack file {path}, which is removed now")
        return Finding(ready=False, reason=f"no ack file {path}", warning=lambda: _no_folder(path))


def _no_folder(ack_file: str) -> str:
    """Return a warning of an ack file whose folder does not exist; empty if it does."""
    from ai.starlake.common.storage import location as storage

    path = storage.local_path(ack_file)
    if path is None or path.parent.is_dir():
        return ""
    return f"the folder {path.parent} of the ack file does not exist: create it, or correct option global_ack_file_path"


@dataclass(frozen=True)
class CommandCheck:
    """Asks ``starlake preload``.

    It says "not ready" by a file; its exit code alone does not tell that from a failure.

    Args:
        command: The command, without ``--notReadySentinel`` and ``--globalAckFilePath``.
        ack: Path template of the ack file, for the strategy ``ack``.
    """

    command: StarlakeCommand
    ack: str | None

    @property
    def for_ack(self) -> bool:
        """Whether it looks for an ack file."""
        return self.ack is not None

    def look(self, view: ProjectView) -> Finding:
        """Ask once."""
        command = self.planned(view)
        reason = f"so says {shown(command)}"
        if self._ask(command, view):
            return Finding(ready=True, reason=reason)
        return Finding(ready=False, reason=reason, error=self._unsure(view))

    def planned(self, view: ProjectView) -> StarlakeCommand:
        """Return the command that asks, but for ``--notReadySentinel``, whose file is another one each time."""
        return self.command if self.ack is None else self.command.with_arguments("--globalAckFilePath", self._ack(view))

    def _ack(self, view: ProjectView) -> str:
        return view.render(self.ack or "")

    def _ask(self, command: StarlakeCommand, view: ProjectView) -> bool:
        from ai.starlake.common.storage import location as storage

        runner, context = view.runner, view.context
        with tempfile.TemporaryDirectory(prefix="starlake-preload-") as scratch:
            folder = runner.settings.pre_load_not_ready_sentinel_path or scratch
            name = re.sub(r"\W", "_", f"{view.domain}.{context.run_id}.{uuid.uuid4().hex}")  # each answer is its own
            sentinel = f"{folder.rstrip('/')}/{name}.notready"
            runner.run(command.with_arguments("--notReadySentinel", sentinel), context)
            return not storage.Location.of(sentinel).remove()

    def _unsure(self, view: ProjectView) -> StarlakeError | None:
        """Return why "not ready" cannot be believed: Starlake says so of a folder that does not exist, too."""
        strategy = (self.command.value_of("--strategy") or "").lower()
        if strategy not in ("imported", "pending") or not view.is_readable:
            return None
        if strategy == "imported":
            return missing(view, [view.landing.folder], "incoming_path", f"{view.landing.place}: ")
        return missing(view, [view.facts.area("stage", view.domain)], "pending_path", view.place)
