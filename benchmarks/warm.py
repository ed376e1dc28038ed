"""Commands in a warm server, against a process per command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.comparison import Comparison, in_turns, values
from benchmarks.fresh import ROOT

LOADS, LINES = 50, 100_000
# A server has a session and a parent of its own: without this process, which inherits and awaits all that a probe
# leaves behind, nobody would learn what it cost.
_AWAITING_ALL = """
import ctypes, json, os, resource, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
used = resource.getrusage(resource.RUSAGE_CHILDREN)
sys.stdout.buffer.write(done.stdout)
print()
print(json.dumps({"code": done.returncode, "processor": used.ru_utime + used.ru_stime}))
"""


def warm(repetitions: int) -> Iterator[Comparison]:
    """Yield loads in a warm server and in a process each, in turns; the executable starts a JVM without Starlake."""
    from tests.executor.warm.fake_starlake import install_fake_starlake

    pairs = max(1, repetitions // 2)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        executable = str(install_fake_starlake(Path(folder) / "home").starlake)
        ours, limit = in_turns(
            lambda: _probe("warm_loads", "warm", executable, str(LOADS)),
            lambda: _probe("warm_loads", "process", executable, str(LOADS)),
            pairs,
        )
        two, one = in_turns(
            lambda: _probe("warm_servers", executable, "2", str(LOADS)),
            lambda: _probe("warm_servers", executable, "1", str(LOADS)),
            pairs,
        )
        warm_lines, process_lines = in_turns(
            lambda: _probe("warm_lines", executable, "warm", str(LINES)),
            lambda: _probe("warm_lines", executable, "process", str(LINES)),
            pairs,
        )
    yield Comparison(f"{LOADS} loads in a warm server", "s", values(ours, "whole"), values(limit, "whole"), goal=0.5)
    yield Comparison("  processor time", "s", values(ours, "processor"), values(limit, "processor"), goal=0.75)
    yield Comparison("  the first load", "s", values(ours, "first"), values(limit, "first"))
    yield Comparison("  each later load", "s", values(ours, "later"), values(limit, "later"), goal=0.25)
    yield Comparison("  servers started", "", values(ours, "servers"), goal=1)
    yield Comparison("  memory of the server", "MB", values(ours, "memory"))
    what = f"{LOADS} commands of 0.1 s by two steps, two servers against one"
    yield Comparison(what, "s", values(two, "whole"), values(one, "whole"), goal=0.75)
    yield Comparison("  memory of the servers", "MB", values(two, "memory"), values(one, "memory"))
    what = f"a command of {LINES:,} lines, in a server that runs"
    yield Comparison(what, "s", values(warm_lines, "whole"), values(process_lines, "whole"))
    yield Comparison("  processor time of our process", "s", values(warm_lines, "ours"), values(process_lines, "ours"))


def _probe(name: str, *arguments: str) -> dict[str, Any]:
    """Run the probe in a process whose descendants are all awaited."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("SL_", "DAGSTER_"))}
    probe = [sys.executable, "-m", f"benchmarks.probes.{name}", *arguments]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _AWAITING_ALL, *probe],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    *printed, used = filter(None, done.stdout.splitlines())
    result = json.loads(used)
    if result["code"]:
        raise RuntimeError(f"the probe failed:\n{done.stderr[-4000:]}")
    found = json.loads(printed[-1])
    return {**found, "processor": result["processor"] - found["before"]}
