"""A command of Starlake as the system is to start it, put together at run time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ai.starlake.common import Redactor, StarlakeError
from ai.starlake.executor.executable import HOW_TO_GET_ONE, find_executable
from ai.starlake.executor.failures import failure_text, hint
from ai.starlake.executor.protocol import CommandFailedError, ExecutableNotFoundError, Execution
from ai.starlake.executor.storage.location import local_path
from ai.starlake.job import StarlakeCommand
from ai.starlake.job.command import check_encodable
from ai.starlake.job.masking import resolve_secrets

_NOT_RUN = {126: "may not be executed", 127: "was not found"}


@dataclass(frozen=True)
class Call:
    """All that it takes to start a command.

    Args:
        argv: The executable and its arguments.
        folder: The working directory: SL_ROOT when that is a folder of this machine, else the current one.
        root: The root of the project, a path or a URI.
        environment: All of its environment, secrets included.
        redactor: Masks the secrets.
    """

    argv: Sequence[str]
    folder: Path
    root: str
    environment: Mapping[str, str] = field(repr=False)
    redactor: Redactor = field(repr=False)

    @classmethod
    def prepare(cls, executable: str | Sequence[str], command: StarlakeCommand, execution: Execution) -> Call:
        """Fetches the secrets, finds the executable and the folder.

        The environment is that of this process with what the command asks for, and what Starlake needs to be told:
        SL_API makes it print the row counts, SL_JOB_ID goes into its audit. SL_HTTP_PORT is taken away, with which
        Starlake's launcher sends the command to a server and loses its exit code.

        Raises:
            StarlakeError: If a secret has no value, a variable cannot be passed, or SL_ROOT does not exist.
            ExecutableNotFoundError: If there is nothing to run.
        """
        asked_for, redactor = resolve_secrets(command)
        for name, value in asked_for.items():
            _check_variable(name, value)
        environment = {**os.environ, "SL_API": "true", "SL_JOB_ID": execution.job_id, **asked_for}
        environment.pop("SL_HTTP_PORT", None)
        folder = _folder(environment)
        root = environment.get("SL_ROOT") or str(folder)
        argv = [*find_executable(executable, environment.get("PATH")), *command.argv]
        return cls(argv, folder, root, environment, redactor)

    def __str__(self) -> str:
        """The command line, secrets masked; for people to read."""
        return self.redactor.shown(self.argv)

    def failure(self, exit_code: int, tail: Sequence[str]) -> StarlakeError:
        """The error of a command that ended with another exit code than 0."""
        if exit_code in _NOT_RUN:
            return self._not_run(exit_code, tail)
        by_hand = f"read the command's whole output, or run it by hand in {self.folder}"
        return CommandFailedError(str(self), exit_code, tail, fix=hint(exit_code, tail) or by_hand)

    def _not_run(self, exit_code: int, tail: Sequence[str]) -> ExecutableNotFoundError:
        cause = (
            f"exit code {exit_code} means that {self.argv[0]} called a program that {_NOT_RUN[exit_code]}; "
            f"its PATH was {self.environment.get('PATH', 'not set')}"
        )
        fix = f"make that program (Java, if it is Starlake's own launcher) available; or {HOW_TO_GET_ONE}"
        error = ExecutableNotFoundError(f"`{self}` failed with exit code {exit_code}", cause=cause, fix=fix)
        error.args = (failure_text(error.culprit, tail, verdict=cause, fix=fix),)
        return error


def _check_variable(name: str, value: str) -> None:
    if not name or "=" in name or "\0" in name:
        raise StarlakeError(
            f"option sl_env_var: {name!r} cannot be the name of a variable", cause="it is empty, or holds = or a null"
        )
    check_encodable(name, "option sl_env_var: the name of a variable")
    check_encodable(value, f"option sl_env_var: the value of {name!a}")
    if "\0" in value:
        raise StarlakeError(f"option sl_env_var: the value of {name} cannot be passed", cause="it holds a null")


def _folder(environment: dict[str, str]) -> Path:
    """The working directory. A relative SL_ROOT becomes absolute, or the command would apply it twice."""
    text = environment.get("SL_ROOT", "")
    root = local_path(text) if text.strip() else None
    if root is None:
        return Path.cwd()
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise StarlakeError(f"SL_ROOT: {text} {what}", fix="set SL_ROOT in sl_env_var to the folder of the project")
    if not root.is_absolute():
        root = root.absolute()
        environment["SL_ROOT"] = str(root)
    return root
