"""Extras of this distribution: an error names the extra to install if a package is missing."""

from __future__ import annotations

import functools
from importlib.util import find_spec

from ai.starlake.common.errors import PermanentError


class MissingExtraError(PermanentError, ImportError):
    """A package of an extra of this distribution is not installed.

    Args:
        package: Its name on PyPI.
        extra: The extra.
        cause: The part that needs it, or the error of the import.
    """

    def __init__(self, package: str, extra: str, cause: str) -> None:
        super().__init__(
            f"{package} is not installed in this Python environment",
            cause=cause,
            fix=f'pip install "starlake-jobs[{extra}]"',
        )


@functools.cache
def require_package(package: str, what: str, extra: str) -> None:
    """Check that a package is installed, without importing it.

    Args:
        package: The package.
        what: The part that needs it, for the error message.
        extra: The extra that installs it.

    Raises:
        MissingExtraError: If it is not installed.
    """
    if not _is_installed(package):
        raise MissingExtraError(package, extra, f"{what} needs it")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # its parent package is not installed
        return False
