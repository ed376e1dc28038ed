"""Find the secrets of a command, by reference and by name: the one place that does, for every executor."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ai.starlake.common import Redactor, names_a_secret, secret_arguments
from ai.starlake.job.command import StarlakeCommand
from ai.starlake.job.secret_references import referenced_variables, resolve_environment

_SHORTEST_INHERITED = 6
"""Characters of the shortest inherited value that is masked. `TOKENIZERS_PARALLELISM=true` must not mask every true."""
_FOLDERS = frozenset({"PWD", "OLDPWD"})
"""Variables of every shell whose names only look like those of secrets."""


def resolve_secrets(command: StarlakeCommand) -> tuple[dict[str, str], Redactor]:
    """Fetch the environment that a command asks for, in the process that runs the command.

    Returns:
        The variables with their values, and what masks the secrets in all that the command and its errors may show:
        values of references, values whose names speak of a secret, and those that the command inherits.

    Raises:
        StarlakeError: If a reference has no value.
    """
    environment, secrets = resolve_environment(command.environment)
    secrets |= {value for name, value in environment.items() if names_a_secret(name)}
    return environment, Redactor({*secrets, *_named_in(command), *_inherited()})


def shown(command: StarlakeCommand) -> str:
    """Return a command as people read it: quoted as for a shell, secrets masked. Fetches nothing."""
    texts = {name: value for name, value in command.environment.items() if isinstance(value, str)}
    named = {value for name, value in texts.items() if names_a_secret(name)}
    return Redactor({*named, *_named_in(command)}).shown(("starlake", *command))


def _named_in(command: StarlakeCommand) -> set[str]:
    named = {value for name, value in command.options.items() if names_a_secret(name)}
    return named | secret_arguments(command.arguments)


def _inherited(environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield the secrets in the environment of this process: commands inherit it, and may print it when they fail."""
    referenced = referenced_variables()
    for name, value in environment.items():
        if name in referenced or (names_a_secret(name) and _is_secret(name, value)):
            yield value


def _is_secret(name: str, value: str) -> bool:
    return name not in _FOLDERS and len(value) >= _SHORTEST_INHERITED and not _is_path(value)


def _is_path(value: str) -> bool:
    """Return True for the path of a file, such as that of a key: the path is needed to understand an error."""
    return value.startswith("/") and "\n" not in value and Path(value).exists()
