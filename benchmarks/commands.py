"""Runs a command in a process of its own: its time and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.fresh import ROOT

_FOLDED = 1024 if sys.platform != "darwin" else 1
"""What ``ru_maxrss`` counts in bytes: kibibytes on Linux."""


def measure(arguments: list[str], environment: Mapping[str, str], log: Path) -> dict[str, float]:
    """Runs ``python arguments``.

    Args:
        arguments: What follows the interpreter's name.
        environment: Is added to the environment of this process, without what belongs to Starlake in it.
        log: The file that its output goes to.

    Returns:
        ``seconds``, ``seconds_cpu``, and ``memory``: the peak of its resident set in MB.

    Raises:
        RuntimeError: If it fails.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SL_")}
    with log.open("wb") as out:
        started = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env={**clean, **environment}, stdout=out, stderr=out
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{arguments} failed:\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}")
    return {
        "seconds": seconds,
        "seconds_cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * _FOLDED / 1e6,
    }
