"""Set the limits of a process, then replace it by the command: a script of its own, standard library only.

The process that starts commands has threads, so no Python code may run between its fork and the start of the command
(``preexec_fn`` of `subprocess` may deadlock). Here it may: this is a process of its own, which the command then
replaces. Its id, its group and its session stay those that the starter knows.

Arguments: limits as ``memory=1000``, ``cpu_seconds=60``, ``open_files=256``, ``nice=5``; then ``--`` and the command.
"""

from __future__ import annotations

import os
import resource
import sys

_AFTER = 5
"""Seconds of CPU time between the signal that a process can catch and the one that it cannot."""
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


def _limit(kind: int, soft: int, more: int = 0) -> None:
    """Lower a limit. The system refuses to raise one, so a lower limit of the system stays."""
    before = resource.getrlimit(kind)[1]
    hard = soft + more if before == resource.RLIM_INFINITY else min(soft + more, before)
    resource.setrlimit(kind, (min(soft, hard), hard))


def _set(name: str, value: int) -> None:
    if name == "nice":
        os.nice(value)
    elif name == "memory":
        # RLIMIT_DATA limits writable memory: Java and DuckDB reserve more addresses than they use, which RLIMIT_AS
        # counts
        _limit(resource.RLIMIT_DATA, value)
    elif name == "cpu_seconds":
        _limit(resource.RLIMIT_CPU, value, _AFTER)
    else:
        _limit(resource.RLIMIT_NOFILE, value)


def main(arguments: list[str]) -> None:
    """Set the limits, then run the command in this process."""
    end = arguments.index("--")
    command = arguments[end + 1 :]
    for limit in arguments[:end]:
        name, _, value = limit.partition("=")
        _set(name, int(value))
    try:
        os.execv(command[0], command)  # noqa: S606  no shell is involved
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        sys.exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE)


if __name__ == "__main__":
    main(sys.argv[1:])
