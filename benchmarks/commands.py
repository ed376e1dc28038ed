"""Runs a command in a process of its own: its time and its peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.fresh import ROOT

_FOLDED = 1024 if sys.platform != "darwin" else 1
"""Bytes per unit of ``ru_maxrss``: kibibytes on Linux."""
# On Linux a child of `subprocess` starts with the peak of its parent as its own: a process that needs next to nothing
# stands between the two.
_WAIT = """
import json, os, sys, time
answer = int(sys.argv[1])
os.set_inheritable(answer, False)
started = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - started
code = os.waitstatus_to_exitcode(status)
os.write(answer, json.dumps([code, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]).encode())
"""


@dataclass(frozen=True)
class Usage:
    """Resource usage of a process."""

    code: int
    """Exit code of the process."""
    seconds: float
    seconds_cpu: float
    memory: int
    """The peak of its resident set in bytes."""


def run_measured(
    command: list[str], environment: Mapping[str, str], output: IO[Any] | int, folder: Path = ROOT
) -> Usage:
    """Run a command and measure its process.

    Args:
        command: The command.
        environment: Its environment.
        output: Destination of its output.
        folder: The folder that it runs in.
    """
    readable, writable = os.pipe()
    with os.fdopen(readable, "rb") as answer:
        try:
            waiting = [sys.executable, "-I", "-S", "-c", _WAIT, str(writable), *command]
            subprocess.run(
                waiting, cwd=folder, env=environment, stdout=output, stderr=output, pass_fds=[writable], check=True
            )
        finally:
            os.close(writable)
        code, seconds, seconds_cpu, peak = json.loads(answer.read())
    return Usage(code, seconds, seconds_cpu, peak * _FOLDED)


def measure(arguments: list[str], environment: Mapping[str, str], log: Path) -> dict[str, float]:
    """Run ``python arguments``.

    Args:
        arguments: Arguments after the interpreter's name.
        environment: Is added to the environment of this process, without what belongs to Starlake in it.
        log: The file that its output goes to.

    Returns:
        ``seconds``, ``seconds_cpu``, and ``memory``: the peak of its resident set in MB.

    Raises:
        RuntimeError: If it fails.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SL_")}
    with log.open("wb") as out:
        usage = run_measured([sys.executable, *arguments], {**clean, **environment}, out)
    if usage.code:
        raise RuntimeError(f"{arguments} failed:\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}")
    return {"seconds": usage.seconds, "seconds_cpu": usage.seconds_cpu, "memory": usage.memory / 1e6}
