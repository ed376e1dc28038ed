"""Statements of a connection's ``preActions``: those that run on DuckDB, and the databases that they attach."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<string>'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
      | (?P<name>"(?:[^"]|"")*")
      | (?P<word>\w+)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_CATALOG_ELSEWHERE = re.compile(r"(?i)^(postgres|postgresql|mysql|sqlite|md|motherduck):|://|^\w+=")
_SECRET = re.compile(r"(?i)^CREATE (OR REPLACE )?(PERSISTENT |TEMPORARY |TEMP )?SECRET\b")
_RUN = ("USE", "SET", "RESET", "PRAGMA", "INSTALL", "FORCE INSTALL", "LOAD")
_RESERVED = {
    "timezone": "the engine computes in UTC",
    "schema": "write USE instead",
    "search_path": "write USE instead",
    "access_mode": "set it as an option of the connection",
}
"""Settings that would interfere with the engine, and the alternatives."""


@dataclass(frozen=True)
class Token:
    """A word, name, string or punctuation mark of a statement."""

    kind: str
    text: str
    start: int

    @property
    def value(self) -> str:
        """The string or name without its quotes."""
        quote = self.text[:1]
        if quote in ("'", '"'):
            return self.text[1:-1].replace(quote * 2, quote)
        return re.sub(r"^\$\w*\$|\$\w*\$$", "", self.text) if quote == "$" else self.text

    @property
    def upper(self) -> str:
        """The word in upper case; empty for a token that is not a word."""
        return self.text.upper() if self.kind == "word" else ""


@dataclass(frozen=True)
class Attachment:
    """A database that ATTACH opens.

    Attributes:
        alias: Its name in SQL.
        kind: ``duckdb``, ``ducklake``, ``memory``, or ``other`` for a database that DuckDB reads through an extension.
        file: The DuckDB file, or the one with the catalog of a DuckLake; None for others.
        read_only: True if it is read-only.
        plain: True if it is a DuckDB file without options for its creation.
    """

    alias: str
    kind: str
    file: Path | None
    read_only: bool
    plain: bool


@dataclass
class PreActions:
    """The statements of a connection before it is used.

    Attributes:
        statements: The statements to run, in order, with absolute paths.
        attachments: Attached databases, by alias in lower case.
        used: The attachment selected by USE; None for the database of the connection itself.
        refused: The statements that cannot run here, shortened so that no secret is shown, and the reasons.
    """

    statements: list[str] = field(default_factory=list)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    used: Attachment | None = None
    refused: list[tuple[str, str]] = field(default_factory=list)


def read_pre_actions(text: str, absolute: Callable[[str], str], own: str = "memory") -> PreActions:
    """Parse the statements of ``preActions``.

    Args:
        text: The statements, separated by semicolons.
        absolute: Returns the absolute path.
        own: SQL name of the connection's own database.
    """
    found = PreActions()
    for statement, tokens in _statements(text):
        verb = _verb(tokens, statement)
        if verb == "ATTACH":
            _attach(found, statement, tokens, absolute)
            continue
        reason = _reason_against(verb, tokens)
        if reason:
            found.refused.append((verb, reason))
            continue
        if verb == "USE":
            _use(found, tokens, own.lower())
        found.statements.append(statement)
    return found


def _statements(text: str) -> Iterator[tuple[str, list[Token]]]:
    tokens: list[Token] = []
    start = 0
    for match in _TOKEN.finditer(f"{text};"):
        kind = "string" if match["string"] else str(match.lastgroup)
        if match[0] == ";":
            if tokens:
                body = text[start : match.start()].strip()
                offset = start + len(text[start : match.start()]) - len(text[start : match.start()].lstrip())
                yield body, [Token(each.kind, each.text, each.start - offset) for each in tokens]
            tokens, start = [], match.end()
        elif kind != "space":
            tokens.append(Token(kind, match[0], match.start()))


def _verb(tokens: Sequence[Token], statement: str) -> str:
    """Return the first words of a statement, which determine its effect."""
    if _SECRET.match(" ".join(token.text for token in tokens)):
        return "CREATE SECRET"
    first = [token.upper for token in tokens[:2]]
    return " ".join(first) if first[0] in {"FORCE", "CREATE", "DROP", "INSERT", "ALTER"} else first[0] or statement[:10]


def _reason_against(verb: str, tokens: Sequence[Token]) -> str:
    """Return the reason why a statement cannot run; empty if it can."""
    if verb == "CREATE SECRET":
        return ""
    if verb not in _RUN:
        return "preActions may attach databases, choose one, load extensions, create secrets and change settings"
    if verb in ("SET", "RESET", "PRAGMA"):
        words = [token.value.lower() for token in tokens[1:] if token.upper not in ("GLOBAL", "SESSION", "LOCAL")]
        name = "timezone" if words[:2] == ["time", "zone"] else next(iter(words), "")
        return _RESERVED.get(name, "")
    return ""


def _attach(found: PreActions, statement: str, tokens: Sequence[Token], absolute: Callable[[str], str]) -> None:
    place = next((index for index, token in enumerate(tokens) if token.kind == "string"), None)
    if place is None:
        found.refused.append(("ATTACH", "it names no database in single quotes"))
        return
    location, rest = tokens[place], list(tokens[place + 1 :])
    alias = None
    if rest and rest[0].upper == "AS" and len(rest) > 1:
        alias, rest = rest[1].value, rest[2:]
    options = _options(rest)
    kind, path = _kind(location.value, options)
    edits: list[tuple[Token, str]] = []
    file = None
    if path is not None:
        file = Path(absolute(path))
        prefix = location.value[: len(location.value) - len(path)]
        edits.append((location, f"{prefix}{file}"))
    data_path = options.get("DATA_PATH")
    if data_path is not None and data_path.kind == "string":
        edits.append((data_path, absolute(data_path.value) + "/" * data_path.value.endswith("/")))
    name = alias or Path(path or location.value).name.partition(".")[0]
    read_only = "READ_ONLY" in options and _is_on(options["READ_ONLY"])
    plain = kind == "duckdb" and options.keys() <= {"TYPE", "READ_WRITE"}
    found.attachments.setdefault(name.lower(), Attachment(name, kind, file, read_only, plain))
    found.statements.append(_edited(statement, edits))


def _options(tokens: Sequence[Token]) -> dict[str, Token | None]:
    """Return the options between the parentheses of an ATTACH, and their values."""
    options: dict[str, Token | None] = {}
    name = None
    for token in tokens:
        if token.text in ("(", ")", ","):
            name = None
        elif name is None:
            name = token.value.upper()
            options[name] = None
        elif token.text != "=":
            options[name] = token
    return options


def _is_on(value: Token | None) -> bool:
    return value is None or value.value.lower() in ("true", "1", "on", "yes")


def _kind(location: str, options: dict[str, Token | None]) -> tuple[str, str | None]:
    """Return the kind of the attached database, and the path of its file."""
    type_ = options.get("TYPE")
    kind = type_.value.lower() if type_ is not None else "duckdb"
    path = location
    if location.lower().startswith("ducklake:"):
        kind, path = "ducklake", location[len("ducklake:") :]
    if path.lower().startswith("duckdb:"):
        path = path[len("duckdb:") :]
    if kind not in ("duckdb", "ducklake") or _CATALOG_ELSEWHERE.search(path):
        return "other", None
    if not path.strip() or path.startswith(":memory:"):
        return "memory", None
    return kind, path


def _edited(statement: str, edits: Sequence[tuple[Token, str]]) -> str:
    for token, value in sorted(edits, key=lambda edit: -edit[0].start):
        quoted = "'" + value.replace("'", "''") + "'"
        statement = statement[: token.start] + quoted + statement[token.start + len(token.text) :]
    return statement


def _use(found: PreActions, tokens: Sequence[Token], own: str) -> None:
    """Record the target of USE; a name that is not attached is a schema of the current database, or its own name."""
    names = [token.value.lower() for token in tokens[1:] if token.text != "."]
    if names and names[0] in found.attachments:
        found.used = found.attachments[names[0]]
    elif names and names[0] == own:
        found.used = None
