"""Values that are named, not written down: secrets stay where they are until the process that needs them asks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

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

    kept: ClassVar[bool] = False
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

    kept: ClassVar[bool] = False
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
