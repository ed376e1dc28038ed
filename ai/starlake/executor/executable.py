"""Find the executable of Starlake, and distinguish the embedded engine from Starlake's own CLI."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ai.starlake.common.errors import ASKED_EXIT_CODE, PERMANENT_EXIT_CODE
from ai.starlake.common.lazy_frames import RUN_ID
from ai.starlake.executor.protocol import ExecutableNotFoundError, Execution

HOW_TO_GET_ONE = (
    "install Starlake (https://starlake.ai) and set SL_STARLAKE_PATH to its executable; or, for DuckDB without a Java "
    'virtual machine, pip install "starlake-jobs[embedded]" and set SL_STARLAKE_PATH to starlake-embedded'
)


_OURS = "starlake-embedded"


def is_embedded_engine(executable: Sequence[str]) -> bool:
    """Return True for the command of the embedded engine.

    The engine waits for a DuckDB file that another process holds, and keeps the files of a failed load by itself.

    Args:
        executable: Result of `find_executable`.
    """
    return Path(executable[0]).resolve().name == _OURS or list(executable[-2:]) == ["-m", "ai.starlake.embedded"]


def engine_variables(lock_timeout: float, execution: Execution) -> dict[str, str]:
    """Return the environment variables that configure the embedded engine when an executor runs it.

    Args:
        lock_timeout: Seconds that it waits for a DuckDB file.
        execution: The attempt; the engine labels remote resources with its run.
    """
    return {
        "SL_DUCKDB_LOCK_TIMEOUT": f"{lock_timeout:g}",
        "SL_INGESTING_FILES": "fail",
        PERMANENT_EXIT_CODE: str(ASKED_EXIT_CODE),
        RUN_ID: execution.root,
    }


def find_executable(executable: str | Sequence[str], search_path: str | None) -> list[str]:
    """Return the command line that starts the executable.

    Args:
        executable: A path, which may hold blanks and begin with ``~``; or a name, to be found in the folders of
            `search_path` and beside the interpreter of Python, where virtual environments have their commands; or a
            list of such a path or name and the arguments that come first.
        search_path: The variable PATH of the command.

    Returns:
        The absolute path, followed by the arguments that come first.

    Raises:
        ExecutableNotFoundError: If there is no such file, or it is not executable.
    """
    first, *others = [executable] if isinstance(executable, str) else list(executable) or [""]
    if not first.strip():
        raise ExecutableNotFoundError("the executable of Starlake has an empty name", fix=HOW_TO_GET_ONE)
    if os.sep in first or first.startswith("~"):
        path = Path(first).expanduser().absolute()
        _require_executable(first, path)
        return [str(path), *others]
    beside = str(Path(sys.executable or "python").parent)
    folders = [search_path if search_path is not None else os.defpath, beside]
    known = _found.get((first, *folders))
    found = known if known and os.access(known, os.X_OK) else _which(first, folders)
    if found is None:
        raise ExecutableNotFoundError(
            f"there is no executable {first!r}",
            cause=f"looked for it in the folders of PATH ({folders[0]}) and in {beside}",
            fix=HOW_TO_GET_ONE,
        )
    return [str(Path(found).absolute()), *others]


_found: dict[tuple[str, ...], str] = {}
"""Executables found so far, by name and folders: a run of many commands searches for one executable."""


def _which(name: str, folders: Sequence[str]) -> str | None:
    found = next((hit for folder in folders if (hit := shutil.which(name, path=folder))), None)
    if found is not None and Path(found).is_absolute():
        key = (name, *folders)
        _found[key] = found
    return found


def _require_executable(given: str, path: Path) -> None:
    if not path.exists():
        raise ExecutableNotFoundError(
            f"there is no executable {given!r}", cause=f"looked for it at {path}", fix=HOW_TO_GET_ONE
        )
    if path.is_dir():
        raise ExecutableNotFoundError(
            f"{path} is a folder, not an executable", fix=f"name the file in it, such as {path / 'starlake'}"
        )
    if not os.access(path, os.X_OK):
        raise ExecutableNotFoundError(f"{path} may not be executed", fix=f"chmod +x {path}")
