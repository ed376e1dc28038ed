"""Servers: how one is started, found, and ended."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """The process whose end ends a server.

    Args:
        pid: Its id.
        began: When it began, as the system tells it: ids are given again.
    """

    pid: int
    began: str

    @classmethod
    def of_process(cls, pid: int) -> Owner:
        """Return a process as an owner."""
        from ai.starlake.executor.notes import began_at

        return cls(pid, began_at(pid))

    @classmethod
    def of_run(cls) -> Owner:
        """Return the process of the run: the `multiprocessing` parent of this process, or this process itself."""
        parent = multiprocessing.parent_process()
        return cls.of_process(os.getpid() if parent is None or parent.pid is None else parent.pid)


@dataclass(frozen=True)
class WarmStatus:
    """A server, as people want to know it.

    Args:
        pid: The process id of its JVM.
        resident: Bytes of memory that the JVM occupies; None where the system does not tell.
        commands: How many commands it has run.
    """

    pid: int
    resident: int | None
    commands: int
