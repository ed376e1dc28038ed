"""SQL files: their sections, and the statements of a section."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ai.starlake.common.extras import require_package
from ai.starlake.project.findings import Finding, ProjectError

_MARKER = re.compile(r"^[ \t]*--[ \t]*SL_(PRESQL|SQL|POSTSQL)[ \t]*;?[ \t]*$", re.MULTILINE | re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}", re.DOTALL)
_END_OF_STATEMENT = re.compile(r";[ \t]*(?:\r?\n|\Z)")


class Sections(NamedTuple):
    """A SQL file: the statements before, the main statement, the statements after; Jinja not yet rendered."""

    presql: str
    sql: str
    postsql: str


def split_sections(text: str, file: Path) -> Sections:
    """Split a SQL file at its lines ``--SL_PRESQL``, ``--SL_SQL`` and ``--SL_POSTSQL``.

    A file without them is one statement. Comments above the first marker are comments (Starlake 1.5.16 treats them as
    the statement and fails); SQL above it is the main statement, unless there is a ``--SL_SQL`` too.

    Args:
        text: Content of the file.
        file: The file, for messages.

    Raises:
        ProjectError: If there are two main statements.
    """
    pieces = _MARKER.split(text)
    if len(pieces) == 1:
        return Sections("", text.strip(), "")
    found: dict[str, list[str]] = {"PRESQL": [], "SQL": [], "POSTSQL": []}
    if _COMMENT.sub("", pieces[0]).strip():
        found["SQL"].append(pieces[0].strip())
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        found[name.upper()].append(body.strip())
    if len(found["SQL"]) > 1:
        raise ProjectError(
            [Finding(file, 1, "the file has two main statements", "put the main statement below one --SL_SQL")]
        )
    return Sections("\n".join(found["PRESQL"]), "".join(found["SQL"]), "\n".join(found["POSTSQL"]))


def split_statements(text: str) -> tuple[str, ...]:
    """Split rendered SQL into its statements, at semicolons outside of quotes and comments.

    Args:
        text: Any number of statements. If no SQL tokenizer accepts it, it is split at semicolons that end a line.

    Returns:
        The statements, without semicolons and empty statements.

    >>> split_statements("SELECT ';'; SELECT 2;")
    ("SELECT ';'", 'SELECT 2')
    """
    if ";" not in text:
        return (text.strip(),) if text.strip() else ()
    require_package("sqlglot", "reading the SQL of tasks", "dagster")
    from sqlglot import TokenError, TokenType, tokenize

    try:
        ends = [token.start for token in tokenize(text, read="duckdb") if token.token_type is TokenType.SEMICOLON]
    except TokenError:
        pieces = _END_OF_STATEMENT.split(text)
    else:
        bounds = [-1, *ends, len(text)]
        pieces = [text[start + 1 : end] for start, end in pairwise(bounds)]
    return tuple(piece.strip() for piece in pieces if _COMMENT.sub("", piece).strip())
