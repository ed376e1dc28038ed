"""Explain why a command failed, from the lines of its output and its exit code, and what to do about it."""

from __future__ import annotations

import re
import signal
from collections import deque
from collections.abc import Sequence
from itertools import zip_longest

_LAST_LINES, _FIRST_LINES, _FURTHER_LINES = 50, 20, 29
_WIDTH = 2000
_HEADER_WIDTH = 300
"""Characters at the start of a line that may contain the log level."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LEVELS = "TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|SEVERE"
_TOKEN = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>|\||[^\s|]+")
_LEVEL = re.compile(rf"(?<![\w.$-])(?:{_LEVELS})(?![\w=.$])")
_DATE_WORD = re.compile(
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun|AM|PM|UTC|GMT|[A-Z]{1,3}ST|[CEW]ET)"
    r"[.,]?$|std(?:out|err)$|F$"
)
_BRACKETED = "[(<'\"*"
_DIVIDERS = ("-", "|", ":")
_STRUCTURED = re.compile(
    r"""["']?\b(?:level|lvl|severity|levelname|log\.level)["']?\s*[:=]\s*["']?(?P<level>[A-Za-z]+)""", re.IGNORECASE
)
_UNCAUGHT = re.compile(r"^Exception in thread ")
_KNOWN = frozenset(_LEVELS.split("|"))
_ERRORS = frozenset({"ERROR", "CRITICAL", "FATAL", "SEVERE"})
_WARNINGS = frozenset({"WARN", "WARNING"})
_QUIET = _KNOWN - _ERRORS - _WARNINGS

_FRAME = re.compile(
    r"""^\s*(?:
        at\s+[^\s(]+(?:\s*\[[^\]]*\])?\s*\(.*\)\s*(?:~?\[.*\])?$    # at a.b.C.run(C.scala:1) ~[jar:1.0]
        | at\s+[\w.$<>/]+:?\s*$
        | \.{3}\s+\d+\s+(?:more|common\ frames\ omitted|elided).*
    )$""",
    re.VERBOSE,
)
_SHUTDOWN = re.compile(
    r"""(?i:shutdown\ hook) | \bShutdownHookManager\b | Deleting\ directory\ | \bStopped\ (?:Spark\ web\ UI|\S+@)
    | \bSparkContext\b.*\b(?:is\ stopping|stopping|stopped|shutting\ down) | BlockManager(?:Master)?\ stopped
    | MemoryStore\ cleared | MapOutputTrackerMasterEndpoint\ stopped | OutputCommitCoordinator\ stopped""",
    re.VERBOSE,
)
_CAUSE = re.compile(r"^\s*Caused by: ")


def level_of(line: str) -> str | None:
    """Return the log level of a line, such as ``ERROR``; None if the line has no level.

    The layouts of log4j, logback, Spark, java.util.logging and Python, key-value pairs and JSON are recognized.
    """
    head = _plain(line[:_HEADER_WIDTH])
    level = _level_in_header(head)
    if level:
        return level
    if _UNCAUGHT.match(head):
        return "FATAL"
    found = _STRUCTURED.search(head)
    level = found["level"].upper() if found else None
    return level if level in _KNOWN else None


def _level_in_header(head: str) -> str | None:
    """Return the level before a message. Dates, threads, numbers, and names with separators may precede it."""
    tokens = _TOKEN.findall(head)
    for token, following in zip_longest(tokens, tokens[1:], fillvalue=""):
        is_bracket = token[0] in "[(<"
        found = _LEVEL.search(token) if is_bracket or token[0] in _BRACKETED else _LEVEL.match(token)
        if found:
            return found[0]
        is_header = is_bracket or following in _DIVIDERS or not re.search(r"[A-Za-z]", token) or re.search(r"\d", token)
        if not is_header and not _DATE_WORD.match(token):
            return None
    return None


def is_error(line: str) -> bool:
    """Return True if a logger wrote the line as an error."""
    return level_of(line) in _ERRORS


def is_warning(line: str) -> bool:
    """Return True if a logger wrote the line as a warning."""
    return level_of(line) in _WARNINGS


class Excerpt:
    """Keeps the lines of an output that explain why its command failed, in constant memory.

    The excerpt holds the first line that a logger wrote as an error and what follows it, without stack frames, messages
    below warnings, and Spark's shutdown messages. If an output has no such line, the excerpt holds its last lines.
    """

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._first: list[str] = []
        self._further: deque[str] = deque(maxlen=_FURTHER_LINES)
        self._left_out = 0

    def take(self, line: str) -> None:
        """Take the next line."""
        shown = line[:_WIDTH]
        self._last.append(shown)
        if not self._first:
            if is_error(line):
                self._first.append(_plain(shown))
        elif _has_meaning(line):
            self._follow(_plain(shown))

    @property
    def lines(self) -> list[str]:
        """The lines of the excerpt."""
        if not self._first:
            return list(self._last)
        gap = [f"... ({self._left_out} lines are left out)"] if self._left_out else []
        return [*self._first, *gap, *self._further]

    def _follow(self, line: str) -> None:
        if len(self._first) < _FIRST_LINES:
            if line not in self._first:
                self._first.append(line)
        elif line not in self._further:
            self._left_out += len(self._further) == _FURTHER_LINES
            self._further.append(line)


def failure_text(culprit: str, lines: Sequence[str] | None, *, verdict: str = "", fix: str | None = None) -> str:
    """Return the error message of a failed command. The cause comes first, because user interfaces fold long messages.

    Args:
        culprit: The command that failed, and how it ended.
        lines: The lines of an `Excerpt`; None if the output is unknown.
        verdict: The message of the service that ran the command.
        fix: Advice for the user.
    """
    told = [culprit, verdict, f"To fix it: {fix}" if fix else ""]
    if lines and is_error(lines[0]):
        first, *further = lines
        parts = [first, *told, *(["what it printed after that:", *further] if further else [])]
    elif lines is None:
        parts = told
    else:
        parts = [*told, *(["its last lines were:", *lines] if lines else ["it printed nothing"])]
    return "\n".join(part for part in parts if part)


def _has_meaning(line: str) -> bool:
    plain = _plain(line)
    if not plain.strip() or _FRAME.match(plain):
        return False
    if _CAUSE.match(plain):
        return True
    level = level_of(line)
    if level in _QUIET:
        return False
    return level in _ERRORS or not _SHUTDOWN.search(plain)


def _plain(line: str) -> str:
    return _COLOUR.sub("", line)


_BY_EXIT_CODE = {
    -signal.SIGKILL: """the system ended it, most likely for want of memory: lower SPARK_DRIVER_MEMORY in sl_env_var, \
or run fewer steps or tasks at once (with a pool, or max_concurrent of the Dagster executor)""",
    -signal.SIGTERM: """another process ended it: check the logs of the machine or the container""",
}

_BY_OUTPUT = {
    r"Could not set lock on file|Conflicting lock is held": """another process has the DuckDB file open: close it; \
commands of this project wait for each other unless option duckdb_lock is 'off'""",
    r"OutOfMemoryError|GC overhead limit": """the Java virtual machine ran out of memory: raise SPARK_DRIVER_MEMORY in \
sl_env_var""",
    r"Unknown (command|option|argument)": """this Starlake does not know the command or one of its flags: set option \
starlake_version to the version that `starlake --version` prints""",
    r"JAVA_HOME|java: (command )?not found": """Starlake needs Java: install it, or set JAVA_HOME in sl_env_var""",
}


def hint(exit_code: int, tail: Sequence[str]) -> str | None:
    """Return the fix for a failed command; None if the output says it all."""
    if exit_code in _BY_EXIT_CODE:
        return _BY_EXIT_CODE[exit_code]
    text = "\n".join(tail)
    return next((fix for pattern, fix in _BY_OUTPUT.items() if re.search(pattern, text)), None)
