"""Findings about the files of a project."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from ai.starlake.common import PermanentError, StarlakeError

T = TypeVar("T")


class Severity(str, Enum):
    """Severity of a finding: an error stops commands that use the file, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Finding:
    """One problem in one place.

    Attributes:
        file: Its file; None if it is in no single file.
        line: The line, from 1; 0 if it is in no single line.
        message: The problem.
        hint: The fix; may be empty.
        severity: The severity.
    """

    file: Path | None
    line: int
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    @property
    def place(self) -> str:
        """``file:line``, in the form that editors and terminals recognize."""
        if self.file is None:
            return "project"
        return f"{self.file}:{self.line}" if self.line else str(self.file)

    @property
    def is_error(self) -> bool:
        """True if the finding is an error."""
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        """Return the finding in one line."""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.severity.value}: {self.message}{hint}"


class ProjectError(PermanentError):
    """Files of a project are invalid.

    Args:
        findings: The findings; at least one.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        first, *rest = self.findings
        more = "\n".join(f"{finding.place}: {finding.message}" for finding in rest)
        super().__init__(f"{first.place}: {first.message}", cause=more or None, fix=first.hint or None)

    @classmethod
    def of_file(cls, file: Path, error: StarlakeError) -> ProjectError:
        """Return the error of a file that cannot be read or rendered. Its disk may be back for a retry.

        Args:
            file: The file.
            error: The error of reading or rendering it.
        """
        made = cls([finding_in(file, error)])
        made.permanent = not isinstance(error.__cause__, OSError)
        return made


def finding_in(file: Path, error: StarlakeError) -> Finding:
    """Return a finding about a template in a file of its own, at the line in Jinja's error.

    Args:
        file: The file.
        error: The error; its message begins with the file, and with the line if known.
    """
    line = getattr(error.__cause__, "lineno", None) or 0
    said = error.culprit.removeprefix(str(file)).removeprefix(f":{line}").strip(" :")
    return Finding(file, line, ": ".join(part for part in (said, error.cause) if part), error.fix or "")


def attempt(call: Callable[[], T], findings: list[Finding]) -> T | None:
    """Call a function, and convert its error to findings.

    Args:
        call: The function.
        findings: List to add the findings to.

    Returns:
        The result of the function; None if it failed.
    """
    try:
        return call()
    except ProjectError as error:
        findings += error.findings
    except StarlakeError as error:
        findings.append(Finding(None, 0, ": ".join(filter(None, (error.culprit, error.cause))), error.fix or ""))
    return None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the name that was probably meant.

    Args:
        name: The unknown name.
        known: The valid names.

    Returns:
        ``did you mean X?``, else a list of the valid names if it is short, else an empty string.
    """
    choices = sorted(set(known))
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"did you mean {lowered[close[0]]}?"
    return f"known: {', '.join(choices)}" if 0 < len(choices) <= _SHORT_LIST else ""


_SHORT_LIST = 20
