"""Limits of a process, from the section `process` of a compute profile."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ai.starlake.job.compute_sections import ProcessCompute, bytes_of

_SCRIPT = Path(__file__).with_name("_limits_main.py")
_SHELLS = 128
"""A shell adds this to the number of the signal that ended its command, for its own exit code."""
_NO_MEMORY = re.compile(
    r"MemoryError|Out of Memory Error|std::bad_alloc|OutOfMemoryError|Cannot allocate memory|not enough memory"
    r"|insufficient memory|Could not reserve enough space|can't start new thread|unable to create native thread"
)
_NO_FILES = re.compile(r"Too many open files")


def limited(argv: Sequence[str], limits: ProcessCompute) -> list[str]:
    """Return the arguments that start a command with limits; the command unchanged if it has no limits.

    Args:
        argv: The executable, by its path, and its arguments.
        limits: The limits.
    """
    given = limits.sizes
    if not given:
        return list(argv)
    values = {name: bytes_of(value) if name == "memory" else value for name, value in given.items()}
    shown = [f"{name}={value}" for name, value in values.items()]
    return [sys.executable, "-I", "-S", str(_SCRIPT), *shown, "--", *argv]


def limit_reached(limits: ProcessCompute, exit_code: int, lines: Sequence[str]) -> str | None:
    """Return the name of the limit that ended a command; None if no limit did, or if that is unknown.

    Args:
        limits: The limits.
        exit_code: Exit code of the command.
        lines: Last lines that it printed.
    """
    text = "\n".join(lines)
    if limits.cpu_seconds is not None and _ended_by(signal.SIGXCPU, exit_code):
        return "cpu_seconds"
    if limits.open_files is not None and _NO_FILES.search(text):
        return "open_files"
    if limits.memory is not None and _NO_MEMORY.search(text):
        return "memory"
    return None


def _ended_by(number: signal.Signals, exit_code: int) -> bool:
    return exit_code in (-number, _SHELLS + number)
