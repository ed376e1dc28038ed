"""Replays the golden corpus against the command of this repository, fast.

`replay.py` judges; only the way in which it starts the command is replaced. Each command still runs in a process of
its own, with its own environment, working folder, standard streams and exit code, but the process is forked from one
that has imported the engine already, which saves most of its time. The parent never runs the engine, so that nothing
is carried over. `test_real_process_gives_the_same` holds the two ways against each other.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import replay

HERE = Path(__file__).parent
CASES = HERE / "cases"
COMMAND = [sys.executable, "-m", "ai.starlake.embedded"]


def folders() -> list[Path]:
    """Return the folders of all cases."""
    return sorted(path.parent for path in CASES.glob("*/case.json"))


def not_yet() -> set[str]:
    """Return the cases that the engine is known not to pass, with the reason after the name."""
    lines = (HERE / "not_yet.txt").read_text(encoding="utf-8").splitlines()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def judge(folder: Path, *, fork: bool = True, timeout: float = 120) -> tuple[str, str]:
    """Run a case; return PASS or FAIL and what differs."""
    _preload()
    original = replay.run_step
    replay.run_step = _forked if fork else original
    try:
        status, _, detail = replay.guarded(COMMAND, folder, timeout)
    finally:
        replay.run_step = original
    return status, detail


def _preload() -> None:
    import duckdb  # noqa: F401
    import jinja2.sandbox  # noqa: F401
    import sqlglot.optimizer.scope  # noqa: F401
    import tenacity  # noqa: F401

    import ai.starlake.embedded.cli.main
    import ai.starlake.embedded.engine
    import ai.starlake.project.checks.project_checks  # noqa: F401


def _forked(cli: list[str], root: Path, step: dict, windows: list, timeout: float) -> replay.Step:
    del cli
    arguments = [part.replace("{root}", str(root)) for part in step["command"]]
    start = time.time() - 0.002
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _become(arguments, root, replay.environment(root, step), out.fileno(), err.fileno())
        code = _wait(child, timeout)
        text = []
        for stream in (out, err):
            stream.seek(0)
            text.append(stream.read().decode("utf-8", "replace"))
    return replay.Step(code, *text, [*windows, replay.Window(start, time.time() + 0.002)])


def _become(arguments: list[str], root: Path, environment: dict[str, str], out: int, err: int) -> None:
    """Turn the forked process into the command; never return."""
    code = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        os.chdir(root)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        from ai.starlake.embedded.cli.main import run

        code = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _wait(child: int, timeout: float) -> int | str:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"no end within {timeout} s"
