"""Runs commands in processes forked from this one, which has imported all that they need; `faults.c` is loaded into it.

A line of its standard input is a command: a JSON list of its arguments and its whole environment. A line of its
standard output is its end: a JSON list of the exit code and its output.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from killing import become


@dataclass(frozen=True)
class Forks:
    """The process that forks itself."""

    process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def started(cls, library: Path) -> Iterator[Forks]:
        """Start it with the faults, compiled; it ends with the block."""
        environment = {**os.environ, "LD_PRELOAD": str(library)}
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1
        ) as process:
            assert process.stdin
            with process.stdin:
                yield cls(process)

    def run(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> tuple[int, str]:
        """Run the command; return its exit code, negative if a signal ended it, and its output."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([arguments, dict(environment)]) + "\n")
        code, output = json.loads(self.process.stdout.readline())
        return code, output


def main() -> None:
    """Fork for each command."""
    for line in sys.stdin:
        arguments, environment = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            # no file: writes to files are counted
            become(arguments, environment, Path(f"/dev/fd/{writing}"), ctypes.CDLL(None).read_faults)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
            output = pipe.read()
        _, status = os.waitpid(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), output]), flush=True)


if __name__ == "__main__":
    main()
