"""Errors of this project: each names the culprit, the cause and the fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PERMANENT_EXIT_CODE = "SL_PERMANENT_EXIT_CODE"
"""Variable with the exit code of failures that a retry cannot help; without the variable, the code is 1."""
ASKED_EXIT_CODE = 78
"""The exit code that executors ask for: a mistake in the configuration, by the convention of ``sysexits.h``."""
_POSSIBLE = range(2, 126)
"""Exit codes that neither the engine nor a shell uses otherwise."""


class StarlakeError(Exception):
    """Base of every error that this project raises on purpose.

    Args:
        culprit: The problem, with the file, option, table or command at fault.
        cause: The cause: why it is wrong, or what was found instead.
        fix: The fix: what the user can do.
    """

    permanent: bool = False
    """True if a retry cannot help; an orchestrator then does not retry. False if that is uncertain."""

    def __init__(self, culprit: str, *, cause: str | None = None, fix: str | None = None) -> None:
        self.culprit = culprit
        self.cause = cause
        self.fix = fix
        parts = [culprit, cause, f"To fix it: {fix}" if fix else None]
        super().__init__("\n".join(part for part in parts if part))

    def __reduce__(self) -> tuple[object, ...]:
        """Support pickling, which Dagster does when an error crosses from a step's process to the run's process."""
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(kind: type[StarlakeError], args: tuple[object, ...], state: dict[str, object]) -> StarlakeError:
    error = kind.__new__(kind)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


class PermanentError(StarlakeError):
    """A mistake in the project, its options or the installation: no retry can help before somebody mends it."""

    permanent = True


class MissingEnvironmentVariable(PermanentError):  # noqa: N818  the name is part of the public contract
    """A variable is defined neither in the options nor in the environment, and has no default.

    Args:
        name: The name of the variable.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        environment = " or as an environment variable" if name.isupper() else ""
        super().__init__(f"{name} is not defined", fix=f"set it in the options of the job{environment}")


class NameCollisionError(PermanentError):
    """Two Starlake names result in the same name of the orchestrator.

    Args:
        name: The name that both result in.
        first: The source that took the name first.
        second: The source that requested it next.
        hint: A further fix.
    """

    def __init__(self, name: str, first: str, second: str, hint: str = "") -> None:
        self.name = name
        super().__init__(
            f"{first} and {second} both become {name!r} in the orchestrator",
            cause="its names consist of letters, digits and underscores; other characters become underscores",
            fix=f"pass a task_id (or an asset key) of its own to one of them{hint and f'; {hint}'}",
        )


def may_retry(error: BaseException) -> bool:
    """Return True if a retry may help, which is so if nothing says that it cannot."""
    return not (isinstance(error, StarlakeError) and error.permanent)


@contextmanager
def permanently() -> Iterator[None]:
    """Mark a `StarlakeError` of a block as permanent."""
    try:
        yield
    except StarlakeError as error:
        error.permanent = True
        raise


def permanent_exit_code(environment: Mapping[str, str]) -> int | None:
    """Return the exit code of failures that no retry can help; None if it is that of any failure.

    Args:
        environment: The environment of the command.
    """
    text = environment.get(PERMANENT_EXIT_CODE, "").strip()
    return int(text) if text.isdecimal() and int(text) in _POSSIBLE else None
