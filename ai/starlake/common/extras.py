"""The extras of this distribution: an error that names the one to install where a package is missing."""

from __future__ import annotations

import functools
from importlib.util import find_spec

from ai.starlake.common.errors import StarlakeError


class MissingExtraError(StarlakeError, ImportError):
    """A package is not installed that an extra of this distribution brings.

    Args:
        package: Its name, as pip knows it.
        extra: The extra.
        cause: What needs it, or what the import said.
    """

    def __init__(self, package: str, extra: str, cause: str) -> None:
        super().__init__(
            f"{package} is not installed in this Python environment",
            cause=cause,
            fix=f'pip install "starlake-jobs[{extra}]"',
        )


@functools.cache
def require_package(package: str, what: str, extra: str) -> None:
    """Make sure that a package is installed, without importing it.

    Args:
        package: The package.
        what: What needs it, for the error message.
        extra: The extra that installs it.

    Raises:
        MissingExtraError: If it is not installed.
    """
    if not _is_installed(package):
        raise MissingExtraError(package, extra, f"{what} needs it")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # the package around it is not installed
        return False
