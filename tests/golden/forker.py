"""A process that has used the engine once, and forks into each command that it is asked for.

Started as a script, it reads one command a line from standard input, as JSON, and answers with its exit code. A command
finds modules imported and templates compiled, but nothing of the commands before. Tests do not fork themselves: each
command would begin with a copy of all that the tests have imported.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn


def run_forked(
    arguments: list[str], folder: Path, environment: dict[str, str], streams: tuple[Path, Path], timeout: float
) -> int | str:
    """Run a command of ``starlake-embedded`` in a process of its own.

    Args:
        arguments: Its arguments.
        folder: Its working folder.
        environment: Its whole environment.
        streams: The files for its standard output and standard error.
        timeout: Seconds after which it is killed.

    Returns:
        The exit code; a text if it was killed.
    """
    server = _server()
    wanted = [arguments, str(folder), environment, [str(path) for path in streams], timeout]
    server.stdin.write(json.dumps(wanted) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


@functools.cache
def _server() -> subprocess.Popen[str]:
    command = [sys.executable, __file__]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    atexit.register(server.communicate)
    return server


def _serve() -> None:
    _warm_up()
    for line in sys.stdin:
        arguments, folder, environment, streams, timeout = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(arguments, folder, environment, streams)
        print(json.dumps(_code_of(child, timeout)), flush=True)


def _warm_up() -> None:
    """Load files and run a task in a small project."""
    sys.path.append(str(Path(__file__).parents[2]))

    import ai.starlake.embedded.cli.main
    import ai.starlake.project.checks.project_checks  # noqa: F401
    from ai.starlake.embedded.transform.task_run import TransformRequest
    from tests.embedded.conftest import Workshop

    with tempfile.TemporaryDirectory(prefix="golden-warm-") as folder:
        shop = Workshop(Path(folder))
        keyed = {"writeStrategy": {"type": "UPSERT_BY_KEY", "key": ["id"]}}
        for name, metadata in (("plain", {}), ("keyed", keyed)):
            shop.table(name, {"id": "int", "day": "date", "label": "string"}, metadata=metadata)
        shop.task("kpi.rows", "SELECT count(*) AS rows FROM shop.plain")
        for delivery in range(2):
            for name in ("plain", "keyed"):
                shop.put(f"{name}{delivery}.csv", "id,day,label\n1,2024-02-29,a\n")
            assert not shop.engine.load().failures
            assert not shop.engine.transform(TransformRequest("kpi.rows")).error


def _become(arguments: list[str], folder: str, environment: dict[str, str], streams: list[str]) -> NoReturn:
    """Turn the forked process into the command."""
    code = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in enumerate(streams, 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), number)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        from ai.starlake.embedded.cli.main import run

        code = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _code_of(child: int, timeout: float) -> int | str:
    late = []

    def end(*_: object) -> None:
        late.append(f"no end within {timeout} s")
        os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return late[0] if late else os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    _serve()
