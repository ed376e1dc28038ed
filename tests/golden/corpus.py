"""Replays the golden corpus against the command of this repository, fast.

`replay.py` judges; only the way in which it starts the command is replaced, and the DuckDB with which it reads the
tables. Each command still runs in a process of its own, with its own environment, working folder, standard streams and
exit code, but the process is forked from one that has imported the engine already, which saves most of its time.
`test_real_process_gives_the_same` holds the two ways against each other.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import replay
from forker import run_forked

HERE = Path(__file__).parent
CASES = HERE / "cases"
COMMAND = [sys.executable, "-m", "ai.starlake.embedded"]

sys.path.append(str(HERE.parents[1]))  # tally.py is a script

from tests.stored_rows import reading  # noqa: E402


def folders() -> list[Path]:
    """Return the folders of all cases."""
    return sorted(path.parent for path in CASES.glob("*/case.json"))


def not_yet() -> set[str]:
    """Return the cases that the engine is known not to pass, with the reason after the name."""
    lines = (HERE / "not_yet.txt").read_text(encoding="utf-8").splitlines()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def judge(folder: Path, *, fork: bool = True, timeout: float = 120) -> tuple[str, str]:
    """Run a case; return PASS or FAIL and what differs."""
    with _faster() if fork else contextlib.nullcontext():
        status, _, detail = replay.guarded(COMMAND, folder, timeout)
    return status, detail


@contextlib.contextmanager
def _faster() -> Iterator[None]:
    original = replay.run_step, replay.duckdb
    replay.run_step, replay.duckdb = _forked, SimpleNamespace(connect=_connect)
    try:
        yield
    finally:
        replay.run_step, replay.duckdb = original


def _connect(file: str, *, read_only: bool) -> contextlib.AbstractContextManager[duckdb.DuckDBPyConnection]:
    assert read_only
    return reading(Path(file))


def _forked(cli: list[str], root: Path, step: dict, windows: list, timeout: float) -> replay.Step:
    del cli
    arguments = [part.replace("{root}", str(root)) for part in step["command"]]
    with tempfile.TemporaryDirectory(prefix="golden-streams-") as folder:
        streams = Path(folder, "out"), Path(folder, "err")
        start = time.time() - 0.002
        code = run_forked(arguments, root, replay.environment(root, step), streams, timeout)
        window = replay.Window(start, time.time() + 0.002)
        text = [stream.read_bytes().decode("utf-8", "replace") for stream in streams]
    return replay.Step(code, *text, [*windows, window])
