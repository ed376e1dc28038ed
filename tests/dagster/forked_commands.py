"""Commands of this environment in processes of their own, which cost no imports: copies of one that has done them.

A new Python takes seconds to import Dagster, at each command. Tests whose point is how a process begins start one.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

_COPIES = multiprocessing.get_context("forkserver")
_PATIENCE = 240
# What `dg` and `dagster` import before they know what to do, and when they do it.
_IMPORTED = (
    "dagster",
    "dagster._cli",
    *(f"dagster_dg_cli.cli.{command}" for command in ("check", "list", "scaffold", "utils")),
    "ai.starlake.dagster.assets.component",
    "ai.starlake.dagster.assets.definitions",
)


def run_copied(command: list[str], cwd: Path, environment: Mapping[str, str], output: Path) -> int:
    """Run a program of this environment as its script would; return its exit code.

    Args:
        command: The name of the program, and its arguments.
        cwd: Where it runs.
        environment: All of its variables; those that Python itself reads count, too.
        output: The file that it writes to, both its output and its errors.
    """
    _COPIES.set_forkserver_preload([__name__, *_IMPORTED])
    process = _COPIES.Process(target=_run, args=(command, cwd, dict(environment), output))
    process.start()
    process.join(_PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
    code = process.exitcode
    assert code is not None
    return code


def _run(command: list[str], cwd: Path, environment: Mapping[str, str], output: Path) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    script = Path(sys.executable).with_name(command[0])
    # as Python does for scripts: Dagster takes the first folder away again
    sys.path[:0] = [str(script.parent), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = [str(script), *command[1:]]
    (main,) = entry_points(group="console_scripts", name=command[0])
    sys.exit(main.load()())
