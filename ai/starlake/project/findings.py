"""What is wrong, or odd, in the files of a project."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from ai.starlake.common import StarlakeError

T = TypeVar("T")


class Severity(str, Enum):
    """How bad a finding is: an error stops what touches the file, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong in one place.

    Attributes:
        file: The file it is in; None when it is in no single file.
        line: The line, counted from 1; 0 when it is in no single line.
        message: What is wrong.
        hint: What to do about it; may be empty.
        severity: How bad it is.
    """

    file: Path | None
    line: int
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    @property
    def place(self) -> str:
        """``file:line``, as editors and terminals understand it."""
        if self.file is None:
            return "project"
        return f"{self.file}:{self.line}" if self.line else str(self.file)

    @property
    def is_error(self) -> bool:
        """True if the finding stops what touches the file."""
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        """One line for a person to read."""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.severity.value}: {self.message}{hint}"


class ProjectError(StarlakeError):
    """Files of a project that cannot be used.

    Args:
        findings: What is wrong; at least one.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        first, *rest = self.findings
        more = "\n".join(f"{finding.place}: {finding.message}" for finding in rest)
        super().__init__(f"{first.place}: {first.message}", cause=more or None, fix=first.hint or None)


def finding_in(file: Path, error: StarlakeError) -> Finding:
    """Return a finding about a template that is a file of its own, at the line that Jinja names.

    Args:
        file: The file.
        error: What is wrong with it; its text begins with the file, and with the line if that is known.
    """
    line = getattr(error.__cause__, "lineno", None) or 0
    said = error.culprit.removeprefix(str(file)).removeprefix(f":{line}").strip(" :")
    return Finding(file, line, ": ".join(part for part in (said, error.cause) if part), error.fix or "")


def attempt(call: Callable[[], T], findings: list[Finding]) -> T | None:
    """Call something, and turn what is wrong into findings.

    Args:
        call: What to call.
        findings: Where to add what is wrong.

    Returns:
        What the call returns; None if something is wrong.
    """
    try:
        return call()
    except ProjectError as error:
        findings += error.findings
    except StarlakeError as error:
        findings.append(Finding(None, 0, ": ".join(filter(None, (error.culprit, error.cause))), error.fix or ""))
    return None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what was probably meant.

    Args:
        name: What was written.
        known: What could have been written.

    Returns:
        ``did you mean X?``, else a list of what is known when that is short, else the empty text.
    """
    choices = sorted(set(known))
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"did you mean {lowered[close[0]]}?"
    return f"known: {', '.join(choices)}" if 0 < len(choices) <= _SHORT_LIST else ""


_SHORT_LIST = 20
