"""Values that are named, not written down: secrets stay where they are until the process that needs them asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ai.starlake.common import MissingEnvironmentVariable, StarlakeError


@runtime_checkable
class SecretReference(Protocol):
    """Something that stands for a value and can fetch it at run time."""

    def resolve(self) -> str:
        """Fetch the value.

        Raises:
            StarlakeError: If there is no such value.
        """
        ...


_referenced: set[str] = set()
"""Names only. The commands of every step of a process inherit these variables, whichever step refers to them."""


def referenced_variables() -> frozenset[str]:
    """Return the names of the environment variables that this process has references to."""
    return frozenset(_referenced)


@dataclass(frozen=True)
class EnvironmentReference:
    """The value of an environment variable of the process that runs the command.

    Args:
        name: The name of the variable.
    """

    name: str

    def __post_init__(self) -> None:
        _referenced.add(self.name)

    def resolve(self) -> str:
        """Read the variable.

        Raises:
            MissingEnvironmentVariable: If it is not set.
        """
        try:
            return os.environ[self.name]
        except KeyError:
            raise MissingEnvironmentVariable(self.name) from None


@dataclass(frozen=True)
class FileReference:
    """The content of a file on the machine that runs the command, as Docker and Kubernetes mount secrets.

    Args:
        path: The path of the file; a final line break does not belong to the value.
    """

    path: str

    def resolve(self) -> str:
        """Read the file.

        Raises:
            StarlakeError: If it cannot be read.
        """
        try:
            return Path(self.path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise StarlakeError(f"the secret in {self.path} cannot be read", cause=type(error).__name__) from None


EnvironmentValue = str | SecretReference

_KINDS: dict[str, Callable[[str], SecretReference]] = {"env": EnvironmentReference, "file": FileReference}


def environment_value(name: str, value: Any) -> EnvironmentValue:
    """Read the value of one entry of the option `sl_env_var`.

    Args:
        name: The name of the entry.
        value: A text or a number; a reference, either an object with `resolve` or written as ``{"env": "NAME"}`` or
            ``{"file": "/path"}``; or a `dagster.EnvVar`.

    Raises:
        StarlakeError: If it is none of these.
    """
    if isinstance(value, SecretReference):
        return value
    variable = getattr(value, "env_var_name", None)  # dagster.EnvVar, which this package must not import
    if isinstance(variable, str):
        return EnvironmentReference(variable)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, Mapping) and len(value) == 1:
        kind, where = next(iter(value.items()))
        if kind in _KINDS and isinstance(where, str) and where:
            return _KINDS[kind](where)
    raise StarlakeError(
        f"option sl_env_var: the value of {name} is neither a text, a number nor a reference",
        cause=f"it is a {type(value).__name__}",
        fix='write "text", a number, {"env": "NAME_OF_A_VARIABLE"} or {"file": "/path/of/a/secret"}',
    )


def resolve_environment(environment: Mapping[str, EnvironmentValue]) -> tuple[dict[str, str], set[str]]:
    """Fetch what an environment refers to.

    Args:
        environment: Names with texts and references.

    Returns:
        Names with texts, and those of the texts that came from references: they are secrets.

    Raises:
        StarlakeError: If a reference leads nowhere; it names the entry, never a value.
    """
    texts: dict[str, str] = {}
    secrets: set[str] = set()
    for name, value in environment.items():
        if isinstance(value, str):
            texts[name] = value
            continue
        try:
            texts[name] = value.resolve()
        except StarlakeError as error:
            raise StarlakeError(f"{name} of option sl_env_var has no value", cause=str(error)) from None
        secrets.add(texts[name])
    return texts, secrets
