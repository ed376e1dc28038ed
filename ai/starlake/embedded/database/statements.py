"""SQL of the project as it runs, with the position of each line in the user's files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.project import Project, Table, Task
from ai.starlake.project.paths import read_text
from ai.starlake.project.reading.sql_files import split_statements

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

_PLACE = re.compile(r"\n*^LINE (?P<line>\d+):.*", re.DOTALL | re.MULTILINE)
_NEAR = re.compile(r'syntax error at or near "(?P<token>[^\n]+?)"')
_KEY = re.compile(r"^[\s-]*(?:[\w{}\[ ]+:\s+)?[\"']?(?:SQL:)?")
"""Text before SQL on a line of YAML."""


class SqlError(StarlakeError):
    """A statement of the project failed.

    Args:
        statement: The statement.
        error: DuckDB's message, without its copy of the statement, which the engine may have wrapped.
        line: The line of the statement that it refers to; None if it names none.
    """

    def __init__(self, statement: Statement, error: str, line: int | None) -> None:
        self.file = statement.file
        self.line = statement.line(line or 1)
        self.message = error
        source = statement.source(self.line) if line else ""
        super().__init__(f"{statement.place(line or 1)}: {error}", cause=f"in: {source}" if source else None)


@dataclass(frozen=True)
class Statement:
    """A statement with rendered Jinja.

    Attributes:
        text: The statement.
        file: The user's file that contains it.
        lines: The line in the file for each of its lines; empty if unknown.
    """

    text: str
    file: Path | None
    lines: tuple[int, ...] = ()

    def place(self, line: int = 1) -> str:
        """Return the file and line of a line of the statement, in the form that editors and terminals recognize."""
        number = self.line(line)
        name = str(self.file or "the query")
        return f"{name}:{number}" if number else name

    def line(self, line: int) -> int:
        """Return the user's line of a line of the statement, 0 if unknown."""
        return self.lines[min(max(line, 1), len(self.lines)) - 1] if self.lines else 0

    def source(self, number: int) -> str:
        """Return a line of the file."""
        if self.file is None or not number:
            return ""
        lines = read_text(self.file).splitlines()
        return lines[number - 1].strip() if number <= len(lines) else ""

    @contextmanager
    def explained(self, within: str | None = None) -> Iterator[None]:
        """Convert DuckDB's errors about the statement to errors with the user's file and line.

        Args:
            within: The SQL that contains the statement, if it does not begin on the first line.

        Raises:
            SqlError: Instead of DuckDB's error.
        """
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            message, line = self.located(str(error), within)
            failed = SqlError(self, message, line)
            failed.permanent = isinstance(error, duckdb.ParserException)
            raise failed from error

    def located(self, error: str, within: str | None = None) -> tuple[str, int | None]:
        """Return DuckDB's message without its copy of the statement, and the line of the statement that it refers to.

        DuckDB before 1.4 names only the token near a syntax error; that determines the line if it occurs there once.
        """
        message, line = place_in(error)
        near = _NEAR.search(message)
        if line is None and near is not None:
            found = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(near['token'])}(?!\w)", self.text)]
            return message, self.text.count("\n", 0, found[0]) + 1 if len(found) == 1 else None
        return message, self._own_line(line, within)

    def require_syntax(self, database: Database) -> None:
        """Parse the statement on its own, because the engine's SQL around it would change DuckDB's message.

        Raises:
            SqlError: If it is not valid.
        """
        with self.explained():
            database.connection.extract_statements(self.text)

    def _own_line(self, line: int | None, within: str | None) -> int | None:
        """Return the line of the statement for a line of the SQL that contains it."""
        if line is None:
            return None
        start = within.find(self.text.rstrip()) if within is not None else 0
        inner = line - (within or "").count("\n", 0, max(start, 0))
        return inner if start >= 0 and 1 <= inner <= self.text.count("\n") + 1 else None


def place_in(message: str) -> tuple[str, int | None]:
    """Remove DuckDB's copy of the statement from a message.

    Returns:
        The message, and the line of the statement that it refers to; None if it names none.
    """
    found = _PLACE.search(message)
    return (message[: found.start()].rstrip(), int(found["line"])) if found else (message.rstrip(), None)


def statements_of(project: Project, item: Table | Task, text: str, *, planned: bool = False) -> list[Statement]:
    """Render SQL of a table or task, and split it into its statements.

    Args:
        project: The project.
        item: The table or task.
        text: SQL from one of its files.
        planned: True if the SQL is only checked, so that variables of a run may have any value.

    Raises:
        StarlakeError: If the template cannot be rendered.
    """
    file, first = origin(item, text)
    rendered = project.render(
        text, macros=True, label=str(file or item.full_name), file=file or item.file, planned=planned
    )
    lines = [first + line for line in _line_map(text, rendered)] if first else []
    found, position = [], 0
    for statement in split_statements(rendered):
        position = rendered.index(statement, position)
        start = rendered.count("\n", 0, position)
        position += len(statement)
        found.append(Statement(statement, file, tuple(lines[start : start + statement.count("\n") + 1])))
    return found


def origin(item: Table | Task, text: str) -> tuple[Path | None, int]:
    """Return the file that contains SQL, and its first line; 0 if unknown."""
    sql_file = item.sql_file if isinstance(item, Task) else None
    for file in (sql_file, item.file):
        content = read_text(file) if file is not None and file.is_file() else ""
        line = _line_of(content, text)
        if line:
            return file, line
    return sql_file or item.file, 0


def _line_of(content: str, text: str) -> int:
    """Return the line of a file at which SQL begins: unchanged in a SQL file, indented or after a key in YAML."""
    wanted = text.splitlines()
    if "\n" in text.strip() and content.find(text) >= 0:
        return content.count("\n", 0, content.find(text)) + 1
    lines = content.splitlines()
    blank = next((number for number, line in enumerate(wanted) if line.strip()), None)
    if blank is None:
        return 0
    first = wanted[blank].strip()
    scores = ((_likeness(lines, number, wanted[blank:]), -number) for number, line in enumerate(lines) if first in line)
    best = max(scores, default=None)
    return max(1 - best[1] - blank, 0) if best else 0


def _likeness(lines: Sequence[str], start: int, wanted: Sequence[str]) -> tuple[int, bool]:
    """Return the number of lines of a file, from one on, that match SQL, and whether only a key precedes it."""
    pairs = zip(lines[start + 1 :], wanted[1:], strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0].strip() == pair[1].strip(), pairs))
    return same, _KEY.sub("", lines[start]).strip(" \"',]}") == wanted[0].strip()


def _line_map(source: str, rendered: str) -> list[int]:
    """Return the most likely line of the template for each line of the rendered text, both from 0."""
    old, new = source.split("\n"), rendered.split("\n")
    if len(old) == len(new):
        return list(range(len(new)))
    lines: list[int] = []
    for _, start, end, begin, stop in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        last = max(end - 1, start - 1, 0)
        lines += [min(start + offset, last) for offset in range(stop - begin)]
    return lines
