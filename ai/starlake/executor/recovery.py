"""Keep the files of a load that does not succeed: they wait in the stage area for the next load.

The real `starlake load` moves the files of a table from the stage area to the ingesting area, and leaves them there
when it fails. The next load would find no files and succeed: their rows would be lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage.location import Location, local_path
from ai.starlake.common.written_values import comma_list
from ai.starlake.executor.notes import LoadNote, LoadNotes, RunsRemotely
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.executor.project_facts import ProjectFacts
from ai.starlake.executor.protocol import Execution, FilesLeftError, RecoveryError
from ai.starlake.job import StarlakeCommand

if TYPE_CHECKING:
    from pathlib import Path

NOTES = ".dagster"
"""Folder of the ingesting area that holds the notes of loads."""
_PATIENCE = 30.0
"""Seconds to wait for the end of a remote command."""
_ENGINE_JOURNAL = ".starlake-load-*"
_BY_HAND = (
    "look into the ingesting area of the domain, move the files that are to be loaded to its stage area, and launch a "
    "new run"
)


def stranded_files(facts: ProjectFacts, domain: str) -> list[str]:
    """Return the files in the ingesting area of a domain: a running load uses them, or a failed load left them.

    Args:
        facts: Facts of the project.
        domain: Name of the domain, or of its folder.

    Returns:
        Paths or URIs of the files; empty if the folder does not exist.

    Raises:
        StarlakeError: If the project or the area cannot be read.
    """
    folder = facts.files.location(facts.area("ingesting", domain))
    return [str(folder.child(name)) for name in folder.list_files()]


def names_of(command: StarlakeCommand, *flags: str) -> list[str]:
    """Return the comma-separated names after any of some flags."""
    return [name for flag in flags for name in comma_list(command.value_of(flag) or "")]


def _not_known(_note: LoadNote, _patience: float) -> None:
    return None


@dataclass(frozen=True)
class LoadFiles:
    """The files of a load, in each of its domains.

    Args:
        command: The load. Without tables, it loads all files of its domains.
        facts: Facts about the areas, and about the file names of tables.
        execution: The attempt.
        job_id: The value of SL_JOB_ID in the environment of the command.
        remote: Reference to the command in the remote service, for remote commands.
        runs_remotely: Returns True if the remote command of a load is still running.
        others_run: Returns True if a load without a note, such as one started by hand, may be running.
    """

    command: StarlakeCommand
    facts: Callable[[], ProjectFacts] | None
    execution: Execution
    job_id: str = ""
    remote: Mapping[str, str] | None = None
    runs_remotely: RunsRemotely = _not_known
    others_run: Callable[[], bool] = lambda: True

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the files of a command that runs within the block: they are moved back unless it succeeds.

        Raises:
            RecoveryError: If files of an earlier attempt cannot be moved back.
            FilesLeftError: If there are files that no load uses and no note mentions.
        """
        domains = self._begun()
        try:
            yield
        except BaseException:
            if domains:
                self._failed(domains)
            raise
        for domain in domains:
            domain.succeeded()

    def left(self) -> list[str]:
        """Return the files that ended loads left: in the ingesting area, or moved back to the stage area.

        Raises:
            StarlakeError: If the project or an area cannot be read.
        """
        return [file for domain in self._domains(check=True) for file in domain.left()]

    def _failed(self, domains: Sequence[_DomainFiles]) -> None:
        with interrupts_held():
            for domain in domains:
                domain.failed()

    def _begun(self) -> list[_DomainFiles]:
        execution = self.execution
        begun: list[_DomainFiles] = []
        try:
            try:
                for domain in self._domains(check=execution.repeated):
                    begun.append(domain)
                    domain.begin()
            except BaseException:
                for domain in begun:
                    domain.give_up()
                raise
        except (RecoveryError, FilesLeftError):
            raise
        except Exception as error:
            if execution.repeated:
                raise RecoveryError(
                    f"`starlake {self.command.verb}` cannot be repeated safely",
                    cause=f"files of the failed attempt may be in the ingesting area, but: {error}",
                    fix=_BY_HAND,
                ) from error
            # the real CLI may be able to run a project that we cannot read
            tell = execution.report.warning if begun else execution.report.info
            tell(
                "files that an earlier load left in the ingesting area are not searched for, and those of this load "
                f"do not go back to the stage area should it fail: {error}"
            )
            return []
        return begun

    def _domains(self, *, check: bool) -> list[_DomainFiles]:
        if "--inPlace" in self.command.arguments:  # loads files in place, and moves none
            return []
        names = names_of(self.command, "--domains", "--include")
        if self.facts is None or not names:
            if check:
                missing = "the project is not known here" if self.facts is None else "the command names no domain"
                raise StarlakeError(missing)
            return []
        facts = self.facts()
        return [_DomainFiles(self, facts, name) for name in names]


class _DomainFiles:
    """The files of a load in one domain."""

    def __init__(self, load: LoadFiles, facts: ProjectFacts, domain: str) -> None:
        self._load = load
        self._facts = facts
        self._domain = domain
        self._execution = load.execution
        self._ingesting = facts.files.location(facts.area("ingesting", domain))
        self._stage = facts.files.location(facts.area("stage", domain))
        self._notes = LoadNotes(facts.files.location(facts.area("ingesting", NOTES)).child(self._ingesting.name))
        self._before: set[str] = set()
        self._tables = tuple(names_of(load.command, "--tables", "--schemas"))
        note = LoadNote.of(load.execution, load.job_id, load.remote or {})
        self._note = replace(note, tables=self._tables)

    def begin(self) -> None:
        """Move back the files of loads that have ended, and note the files that this load will use."""
        alive, over = self._others()
        there = self._in(self._ingesting)
        busy = {name for note in alive for name in note.files}
        known = {name for note in over for name in note.files}
        under_way = any(note.concerns(self._tables) for note in alive)
        repeated = self._execution.repeated
        back = [name for name in there if name not in busy and (name in known or (repeated and not under_way))]
        self._bring_back(back)
        unknown = [] if under_way else [name for name in there if name not in {*busy, *back}]
        if unknown:
            raise self._unknown(unknown)
        self._before = set(there) - set(back)
        given = (name.rpartition("/")[2] for name in names_of(self._load.command, "--files"))
        self._note = replace(self._note, files=tuple(dict.fromkeys([*self._in(self._stage), *given])))
        self._notes.write(self._note)
        for note in over:
            self._forget(note)

    def give_up(self) -> None:
        """Remove the note of the load, whose command does not run."""
        with suppress(StarlakeError):
            self._notes.remove(self._note)

    def failed(self) -> None:
        """Move back the files of the load. An error here must not hide why the load failed."""
        try:
            self._failed()
        except Exception as error:  # noqa: BLE001  the failure of the command is what matters
            self._execution.report.warning(
                f"files of the failed load may still be in {self._ingesting}; the next load of {self._domain} "
                f"moves them back, or fails and names them: {error}"
            )

    def _failed(self) -> None:
        if self._note.remote and self._load.runs_remotely(self._note, _PATIENCE) is not False:
            self._execution.report.warning(
                f"the command is still ending; the next load of {self._domain} brings its files back to the stage area"
            )
            return
        self._notes.end(self._note, self._note.files)
        alive, _ = self._others()
        busy = {name for note in alive for name in note.files}
        there = [name for name in self._in(self._ingesting) if name not in self._before | busy]
        late = set(there) - set(self._note.files)
        if late and (any(note.concerns(self._tables) for note in alive) or self._load.others_run()):
            there = [name for name in there if name not in late]
        self._bring_back(there)
        files = tuple(dict.fromkeys([*self._note.files, *there]))
        self._notes.end(self._note, files) if files else self._notes.remove(self._note)

    def succeeded(self) -> None:
        """Remove the note of the load.

        Raises:
            RecoveryError: If it left files in the ingesting area.
        """
        alive, _ = self._others()
        busy = {name for note in alive for name in note.files} | self._before
        left = [name for name in self._in(self._ingesting) if name in self._note.files and name not in busy]
        self._notes.remove(self._note)
        if left:
            raise RecoveryError(
                f"the load of {self._domain} succeeded, but left files in {self._ingesting}: {', '.join(left)}",
                cause="Starlake moves loaded files away from there; whether these are loaded is unknown",
                fix="look into the log and into the table: move them to the stage area if their rows are missing, "
                "away if they are there",
            )

    def left(self) -> list[str]:
        """Return the files of loads that have ended, in the ingesting area or moved back."""
        alive, over = self._others()
        busy = {name for note in alive for name in note.files}
        ingesting = self._ingesting.list_files()
        under_way = any(note.concerns(self._tables) for note in alive)
        names = [str(self._ingesting.child(name)) for name in ingesting if name not in busy and not under_way]
        noted = {name for note in over for name in note.files}
        return names + [str(self._stage.child(name)) for name in self._stage.list_files() if name in noted]

    def _others(self) -> tuple[list[LoadNote], list[LoadNote]]:
        """Return the other loads of the domain: those that may be running, and those that have ended."""
        alive: list[LoadNote] = []
        over: list[LoadNote] = []
        for note in self._notes:
            if note.id != self._note.id:
                is_alive = note.is_alive(self._execution, self._load.runs_remotely)
                (alive if is_alive else over).append(note)
        return alive, over

    def _forget(self, note: LoadNote) -> None:
        """Remove the note of a load that has ended, unless it lists files that this load does not use."""
        rest = [name for name in note.files if not self._is_ours(name)]
        waiting = {*self._stage.list_files(), *self._ingesting.list_files()}
        if waiting.isdisjoint(rest):
            self._notes.remove(note)

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [self._facts.table_pattern(self._domain, table) for table in self._tables]

    def _is_ours(self, name: str) -> bool:
        return not self._patterns or any(pattern.fullmatch(name) for pattern in self._patterns)

    def _in(self, folder: Location) -> list[str]:
        """Return the names of the files of the tables in a folder, except those that the embedded engine keeps."""
        there = folder.list_files()
        kept = _of_the_engine(folder) if there else set()
        return [name for name in there if name not in kept and self._is_ours(name)]

    def _bring_back(self, names: Sequence[str]) -> None:
        moved: list[str] = []
        try:
            moved.extend(name for name in names if _move_back(self._ingesting.child(name), self._stage))
        finally:
            if moved:
                self._execution.report.warning(
                    f"brought back from {self._ingesting} to {self._stage} the files that a failed load left there: "
                    f"{', '.join(moved)}"
                )

    def _unknown(self, names: Iterable[str]) -> FilesLeftError:
        return FilesLeftError(
            f"files of {self._domain} wait in {self._ingesting}, and no load of a run is working on them: "
            f"{', '.join(names)}",
            cause="a load outside of the orchestrator is running, or left them",
            fix=f"wait for that load to end; if none is running, {_BY_HAND}",
        )


def _of_the_engine(folder: Location) -> set[str]:
    """Return the files that the embedded engine has journals of: it knows from its database where they belong."""
    path: Path | None = local_path(str(folder))
    if path is None or not path.is_dir():
        return set()
    names: set[str] = set()
    for journal in path.glob(_ENGINE_JOURNAL):
        with suppress(OSError, ValueError, KeyError, TypeError):  # it is being written, or removed
            names.update(json.loads(journal.read_text(encoding="utf-8"))["names"])
    return names


def _move_back(file: Location, stage: Location) -> bool:
    """Move a file; return False if another process did."""
    try:
        file.move_into(stage)
    except FileExistsError:
        raise RecoveryError(
            f"{file}, which a failed attempt left, cannot be moved back to the stage area",
            cause=f"{stage.child(file.name)} arrived meanwhile and has the same name",
            fix="load them one after the other: move one of them away, run again, move it back, run once more",
        ) from None
    except StarlakeError:
        if file.exists():
            raise
        return False
    return True
