"""Values that are referenced, not written down: secrets stay in their store until a process needs them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from ai.starlake.common import MissingEnvironmentVariable, StarlakeError


@runtime_checkable
class SecretReference(Protocol):
    """Refers to a value, and can fetch it at run time.

    The value is cached for an hour, for all references that are equal to this one. An attribute `lifetime` sets another
    number of seconds: 0 for a value that is cheap to read.

    `resolve` raises a `StarlakeError` that contains no value. A `ConnectionError` or a `TimeoutError` means that the
    store may answer if it is asked again.
    """

    def resolve(self) -> str:
        """Fetch the value.

        Returns:
            The value, which is never logged.

        Raises:
            StarlakeError: If there is no such value.
        """
        ...


_referenced: set[str] = set()
"""Names only. The commands of every step of a process inherit these variables, whichever step refers to them."""


def referenced_variables() -> frozenset[str]:
    """Return the names of the environment variables that references of this process use."""
    return frozenset(_referenced)


@dataclass(frozen=True)
class EnvironmentReference:
    """The value of an environment variable of the process that runs the command.

    Args:
        name: The name of the variable.
    """

    lifetime: ClassVar[float] = 0
    """Seconds for which the value is cached: it is cheap to read."""
    name: str

    def __post_init__(self) -> None:
        _referenced.add(self.name)

    def resolve(self) -> str:
        """Read the variable.

        Returns:
            The value, which is never logged.

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
        path: The path of the file; a final line break is not part of the value.
    """

    lifetime: ClassVar[float] = 0
    """Seconds for which the value is cached: it is cheap to read."""
    path: str

    def resolve(self) -> str:
        """Read the file.

        Returns:
            The value, which is never logged.

        Raises:
            StarlakeError: If it cannot be read.
        """
        try:
            return Path(self.path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise StarlakeError(f"the secret in {self.path} cannot be read", cause=type(error).__name__) from None


@dataclass(frozen=True)
class JoinedReference:
    """A string with references within it, such as the URL of a database.

    Args:
        parts: Strings and references, in their order.
    """

    lifetime: ClassVar[float] = 0
    """Seconds for which the whole is cached; the parts have lifetimes of their own."""
    parts: tuple[str | SecretReference, ...]

    def resolve(self) -> str:
        """Fetch the referenced parts, and join all parts.

        Returns:
            The value, which is never logged.

        Raises:
            StarlakeError: If one of them cannot be resolved.
        """
        return "".join(part if isinstance(part, str) else part.resolve() for part in self.parts)


EnvironmentValue = str | SecretReference
"""Value of an environment variable: a string, or a reference that is resolved when the command runs."""


def field_of(secret: str, field: str | None, label: str) -> str:
    """Return a secret, or one field of a secret that is a JSON object.

    Args:
        secret: The secret.
        field: The name of the field; None for the whole secret.
        label: The name of the secret, for error messages.

    Raises:
        StarlakeError: If the secret is not a JSON object, or has no such field; the error contains no value.
    """
    if field is None:
        return secret
    try:
        content = json.loads(secret)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise StarlakeError(
            f"{label} has no field {field}",
            cause="it is not a JSON object",
            fix="remove `field` from the reference, or store a JSON object",
        )
    if field not in content:
        raise StarlakeError(
            f"{label} has no field {field}",
            cause=f"its fields are {', '.join(sorted(content))}",
            fix="correct `field` of the reference",
        )
    value = content[field]
    return value if isinstance(value, str) else json.dumps(value)
