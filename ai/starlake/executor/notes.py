"""Notes of running loads: the files that they load, and the process that runs them.

The files of a load lie in the ingesting area of its domain while it runs, and stay there when it is killed. A note
beside that area distinguishes the two cases, for every process and machine that reaches the area.
"""

from __future__ import annotations

import functools
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage.location import Location
from ai.starlake.executor.process._watchdog_main import related_groups
from ai.starlake.executor.process.lifetimes import began_at, this_host
from ai.starlake.executor.protocol import Execution

if TYPE_CHECKING:
    from ai.starlake.executor.warm.discovery import CommandFile

_SETTLE = 8.0
"""Seconds to wait for the command of a killed process: the grace of the watchdog, and a little more."""
_PAUSE = 0.2
_active: set[str] = set()
"""The running loads of this process."""


@dataclass(frozen=True)
class LoadNote:
    """One load of files of a domain.

    Args:
        id: Name of the note.
        run: Id of the run.
        step: Key of the step or task.
        host: The machine of the process that waits for the load; see `this_host`.
        worker: That process: its id and its start time.
        job_id: The value of SL_JOB_ID in the environment of the command.
        remote: Reference to the command in the remote service, for remote commands.
        tables: The tables that it loads; empty for all tables.
        files: Names of the files that waited when the load began.
        ended: True if the load has ended without success.
    """

    id: str
    run: str
    step: str
    host: str
    worker: tuple[int, str]
    job_id: str
    remote: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    ended: bool = False

    @classmethod
    def of(cls, execution: Execution, job_id: str, remote: Mapping[str, str]) -> LoadNote:
        """Return a note of a load that this process starts."""
        return cls(
            uuid.uuid4().hex, execution.run_id, execution.step_key, this_host(), _worker(os.getpid()), job_id, remote
        )

    def concerns(self, tables: Iterable[str]) -> bool:
        """Return True if the load includes one of some tables; no names mean all tables."""
        others = {table.lower() for table in tables}
        return not others or not self.tables or not others.isdisjoint(table.lower() for table in self.tables)

    def is_alive(self, execution: Execution, runs_remotely: RunsRemotely) -> bool:
        """Return True if the load may still use its files; wait for the end of a command that is being killed.

        Args:
            execution: The attempt that asks.
            runs_remotely: Returns True if the remote command of a load is still running.
        """
        if self.ended:
            return False
        runs = runs_remotely(self, 0) if self.remote else False
        if runs:
            return True
        if runs is None or self.host != this_host():
            if (self.run, self.step) == (execution.run_id, execution.step_key):
                return False  # an earlier attempt: an orchestrator runs one at a time, on this machine or another one
            return execution.is_run_over is None or execution.is_run_over(self.run) is not True
        if self.worker[0] == os.getpid():
            return self.id in _active and self.worker == _worker(os.getpid())
        return began_at(self.worker[0]) == self.worker[1] or _command_runs(self.job_id)


RunsRemotely = Callable[[LoadNote, float], bool | None]
"""Returns True if the remote command of a load is still running, after waiting some seconds for its end; None if the
service cannot be asked."""


def _command_runs(job_id: str) -> bool:
    """Return True if the command of a process that has ended still runs; the watchdog of that process is ending it."""
    deadline = time.monotonic() + _SETTLE
    while related_groups({f"SL_JOB_ID={job_id}".encode()}, set()) or _runs_warm(
        lambda command: command.job_id == job_id
    ):
        if time.monotonic() >= deadline:
            return True
        time.sleep(_PAUSE)
    return False


def _runs_warm(is_wanted: Callable[[CommandFile], bool]) -> bool:
    """Return True if a warm server runs such a command: its process shows neither the command nor its environment."""
    from ai.starlake.executor.warm.discovery import running_commands

    return any(map(is_wanted, running_commands()))


@functools.lru_cache(maxsize=1)
def _worker(pid: int) -> tuple[int, str]:
    """Return the id and the start time of this process; a forked process has another id."""
    return pid, began_at(pid)


def load_by_hand_runs(root: str, own_job_id: str) -> bool:
    """Return True if another ``load`` command of a project may run on this machine, or if that is unknown.

    Args:
        root: The root of the project.
        own_job_id: The SL_JOB_ID of the command to ignore.
    """
    processes = Path("/proc")
    if not (processes / "self" / "environ").exists():
        return True
    others = (entry for entry in processes.iterdir() if entry.name.isdigit() and entry.name != str(os.getpid()))
    if any(_loads(entry, root, own_job_id) for entry in others):
        return True
    return _runs_warm(
        lambda command: command.verb == "load" and command.job_id != own_job_id and _is_same_folder(command.root, root)
    )


def _loads(process: Path, root: str, own_job_id: str) -> bool:
    try:
        if b"load" not in (process / "cmdline").read_bytes().split(b"\0"):
            return False
        environment = (process / "environ").read_bytes().split(b"\0")
        folder = str((process / "cwd").readlink())
    except OSError:
        return False
    if f"SL_JOB_ID={own_job_id}".encode() in environment:
        return False
    named = [
        entry.partition(b"=")[2].decode(errors="replace") for entry in environment if entry.startswith(b"SL_ROOT=")
    ]
    return any(_is_same_folder(one, root) for one in [*named, folder])


def _is_same_folder(one: str, other: str) -> bool:
    return os.path.realpath(one.removeprefix("file:")) == os.path.realpath(other)


class LoadNotes:
    """The notes of one domain.

    Args:
        folder: The folder that holds them.
    """

    def __init__(self, folder: Location) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[LoadNote]:
        """Yield the notes.

        Raises:
            StarlakeError: If one cannot be read.
        """
        for name in self._folder.list_files():
            text = self._folder.child(name).read()
            if text is not None and name.endswith(".json"):  # another process may have removed it
                yield _parsed(text, str(self._folder.child(name)))

    def write(self, note: LoadNote) -> None:
        """Write a note, replacing the one of the same load; the load counts as running until `ended`."""
        if note.ended:
            _active.discard(note.id)
        else:
            _active.add(note.id)
        self._file(note).write(json.dumps(vars(note)))

    def end(self, note: LoadNote, files: tuple[str, ...]) -> None:
        """Record that a load has ended without success, and which files it leaves for the next load."""
        self.write(replace(note, files=files, ended=True))

    def remove(self, note: LoadNote) -> None:
        """Remove a note if it exists."""
        _active.discard(note.id)
        self._file(note).remove()

    def _file(self, note: LoadNote) -> Location:
        return self._folder.child(f"{note.id}.json")


def _parsed(text: str, where: str) -> LoadNote:
    try:
        content: dict[str, Any] = json.loads(text)
        content["worker"] = (int(content["worker"][0]), str(content["worker"][1]))
        content |= {"files": tuple(content["files"]), "tables": tuple(content["tables"])}
        return LoadNote(**content)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise StarlakeError(
            f"{where} is not a note of a load", cause=str(error), fix="remove it when no load of the domain is running"
        ) from error
