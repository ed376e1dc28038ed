"""Pre-load checks, which decide whether a domain is loaded.

"Nothing to load" is a positive finding, never the result of a failed check: every obstacle is an error.
"""

from __future__ import annotations

import re
import tempfile
import uuid
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage import local_path
from ai.starlake.executor.prepared import shown
from ai.starlake.job import JobOptions, StarlakeCommand, StarlakePreLoadStrategy
from ai.starlake.orchestration.preload.files_check import FilesCheck, missing
from ai.starlake.orchestration.preload.view import DomainView, PreLoadView
from ai.starlake.orchestration.preload.waiting import Patience, PreLoadFinding

_NOT_IN_A_NAME = re.compile(r"\W")


class PreLoadCheck(Protocol):
    """Checks whether a domain is to be loaded."""

    @property
    def for_ack(self) -> bool:
        """True if it waits for an ack file."""
        ...

    def look(self, view: PreLoadView) -> PreLoadFinding:
        """Check once.

        Raises:
            StarlakeError: If the check fails.
        """
        ...

    def planned(self, view: PreLoadView) -> StarlakeCommand | None:
        """Return the command of the check, for a dry run; None if it runs none.

        Raises:
            StarlakeError: If the command is invalid.
        """
        ...


@runtime_checkable
class Peeks(Protocol):
    """Optional ability of checks: check without a command, and without deleting an ack file."""

    def peek(self, view: DomainView) -> bool:
        """Return True if there is something to load.

        Raises:
            StarlakeError: If the check fails.
        """
        ...


def check_of(
    settings: JobOptions, domain: str, tables: tuple[str, ...], strategy: StarlakePreLoadStrategy
) -> PreLoadCheck:
    """Return the check of a domain according to the options.

    Args:
        settings: The options of the job.
        domain: The domain.
        tables: The tables whose files are considered; all of the domain if empty.
        strategy: The strategy; not ``none``.

    Raises:
        StarlakeError: If the version of Starlake in use does not support the check.
    """
    if settings.pre_load_check == "command":
        return _command_check(settings, domain, tables, strategy)
    if strategy is StarlakePreLoadStrategy.ACK:
        return AckCheck(settings.global_ack_file_path)
    imported = strategy is StarlakePreLoadStrategy.IMPORTED
    return FilesCheck(tables, imported, settings.incoming_path if imported else settings.pending_path)


def _command_check(
    settings: JobOptions, domain: str, tables: tuple[str, ...], strategy: StarlakePreLoadStrategy
) -> PreLoadCheck:
    settings.starlake_version.require_preload_command()
    if strategy is StarlakePreLoadStrategy.PENDING and not tables:
        raise StarlakeError(
            f"the pre-load check of {domain} cannot ask `starlake preload` whether files are pending",
            cause="without --tables it always answers yes",
            fix="pass the tables to sl_pre_load, or set pre_load_check to 'files'",
        )
    chosen = ["--tables", ",".join(tables)] if tables else []
    arguments = ("--domain", domain, *chosen, "--strategy", strategy.value)
    command = StarlakeCommand("preload", arguments, environment=settings.environment)
    return CommandCheck(command, settings.global_ack_file_path if strategy is StarlakePreLoadStrategy.ACK else None)


def decide_on_load(check: PreLoadCheck, view: PreLoadView) -> PreLoadFinding:
    """Return whether a domain is loaded, when there is something to load or the timeout is reached.

    Args:
        check: The check.
        view: The project and the run.

    Raises:
        StarlakeError: If the check fails.
    """
    patience = Patience.of(view.settings, for_ack=check.for_ack)
    return patience.wait(lambda: look_once(check, view), view.execution.report.info)


def look_once(check: PreLoadCheck, view: PreLoadView) -> PreLoadFinding:
    """Return whether there is something to load now.

    Files that a failed load left are included: nothing else may ever arrive.

    Args:
        check: The check.
        view: The project and the run.

    Raises:
        StarlakeError: If the check fails.
    """
    found = check.look(view)
    left = [] if found.ready else _left_by_others(view)
    if not left:
        return found
    return PreLoadFinding(ready=True, reason=f"{found.reason}; but a load that failed left {', '.join(left)}")


def _left_by_others(view: PreLoadView) -> list[str]:
    """Return the files that failed loads left."""
    ask = getattr(view.executor(), "files_left", None)
    if ask is None:  # a user's executor
        return []
    command = StarlakeCommand("load", ("--domains", view.domain), environment=view.settings.environment)
    try:
        return list(ask(command, view.execution))
    except StarlakeError as error:
        view.execution.report.warning(f"files that failed loads of {view.domain} left are not searched for: {error}")
        return []


@dataclass(frozen=True)
class AckCheck:
    """Waits for an ack file, and deletes it.

    Args:
        path: Path template of the file.
    """

    path: str
    for_ack = True

    def planned(self, view: PreLoadView) -> StarlakeCommand | None:  # noqa: ARG002
        """Return None: no command is run."""
        return None

    def peek(self, view: DomainView) -> bool:
        """Return True if the file exists; it is kept."""
        return view.files.location(view.render(self.path)).exists()

    def look(self, view: PreLoadView) -> PreLoadFinding:
        """Check once."""
        path = view.render(self.path)
        if view.files.location(path).remove():
            return PreLoadFinding(ready=True, reason=f"found ack file {path}, which is removed now")
        return PreLoadFinding(ready=False, reason=f"no ack file {path}", warning=lambda: _no_folder(path))


def _no_folder(ack_file: str) -> str:
    """Return a warning about an ack file whose folder does not exist; empty if it does."""
    path = local_path(ack_file)
    if path is None or path.parent.is_dir():
        return ""
    return f"the folder {path.parent} of the ack file does not exist: create it, or correct option global_ack_file_path"


@dataclass(frozen=True)
class CommandCheck:
    """Checks by ``starlake preload``.

    The command reports "not ready" by a file; its exit code alone does not distinguish that from a failure.

    Args:
        command: The command, without ``--notReadySentinel`` and ``--globalAckFilePath``.
        ack: Path template of the ack file, for the strategy ``ack``.
    """

    command: StarlakeCommand
    ack: str | None

    @classmethod
    def of(cls, command: StarlakeCommand) -> CommandCheck | None:
        """Return the check for a command; None for any other command."""
        return cls(command, command.value_of("--globalAckFilePath")) if command.verb == "preload" else None

    @property
    def for_ack(self) -> bool:
        """True if it waits for an ack file."""
        return self.ack is not None

    def look(self, view: PreLoadView) -> PreLoadFinding:
        """Check once."""
        command = self.planned(view)
        reason = f"so says {shown(command)}"
        if self._ask(command, view):
            return PreLoadFinding(ready=True, reason=reason)
        return PreLoadFinding(ready=False, reason=reason, error=self._unsure(view))

    def planned(self, view: PreLoadView) -> StarlakeCommand:
        """Return the command without ``--notReadySentinel``, whose file is a new one each time."""
        return self.command if self.ack is None else self.command.with_arguments("--globalAckFilePath", self._ack(view))

    def _ack(self, view: PreLoadView) -> str:
        return view.render(self.ack or "")

    def _ask(self, command: StarlakeCommand, view: PreLoadView) -> bool:
        with tempfile.TemporaryDirectory(prefix="starlake-preload-") as scratch:
            folder = view.settings.pre_load_not_ready_sentinel_path or scratch
            answer = f"{view.domain}.{view.execution.run_id}.{uuid.uuid4().hex}"  # each has a file of its own
            sentinel = f"{folder.rstrip('/')}/{_NOT_IN_A_NAME.sub('_', answer)}.notready"
            view.run(command.with_arguments("--notReadySentinel", sentinel))
            return not view.files.location(sentinel).remove()

    def _unsure(self, view: PreLoadView) -> StarlakeError | None:
        """Return the reason why "not ready" is uncertain: Starlake also reports it for a missing folder."""
        strategy = (self.command.value_of("--strategy") or "").lower()
        if strategy not in ("imported", "pending") or not view.is_readable:
            return None
        if strategy == "imported":
            return missing(view, [view.landing.folder], "incoming_path", f"{view.landing.place}: ")
        return missing(view, [view.facts.area("stage", view.domain)], "pending_path", view.place)
