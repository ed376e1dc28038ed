"""Landing areas, and assignment of files to tables: the same rule for the engine and for pre-load checks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.project.findings import nearest
from ai.starlake.project.models import Table
from ai.starlake.project.paths import is_address, join
from ai.starlake.project.patterns import java_pattern

_MOST_NAMED = 20
_NEAR = 0.6


@dataclass(frozen=True)
class Landing:
    """The landing area of a domain.

    Attributes:
        domain: The name of the domain.
        folder: Path or URI of the folder.
        place: The file and line that define it, as ``file:line``.
    """

    domain: str
    folder: str
    place: str


def landing_folder(root: str, directory: str) -> str:
    """Return the folder of a domain's ``directory``.

    A relative path starts at the project, so that it means the same folder wherever a command is started.

    Args:
        root: Folder or URI of the project.
        directory: The value in the metadata, with variables replaced.
    """
    plain = re.sub(r"^file:(//(?=/))?", "", directory)
    return plain if is_address(plain) else join(root, plain)


@dataclass(frozen=True)
class FileRule:
    """Rule for the files of a table.

    Attributes:
        table: The name of the table.
        stem: The name of its metadata file, which commands accept too.
        pattern: The pattern, as in the metadata.
        ack: Extension of the required ack file; None or empty without one.
    """

    table: str
    stem: str
    pattern: str
    ack: str | None = None

    @classmethod
    def of(cls, table: Table) -> FileRule:
        """Return the rule of a table."""
        return cls(table.name, table.file_stem, table.pattern, table.metadata.ack)

    def takes(self, name: str) -> bool:
        """Return True if the whole name of a file matches the pattern.

        Raises:
            StarlakeError: If the pattern is not a regular expression.
        """
        return java_pattern(self.pattern).fullmatch(name) is not None

    def ack_of(self, name: str) -> str | None:
        """Return the name of the ack file of a file; None if it needs none."""
        return f"{PurePath(name).stem}.{self.ack.lstrip('.')}" if self.ack else None

    def ready(self, name: str, there: Collection[str]) -> bool:
        """Return True if a file is ready: it needs no ack file or has one, and is not an ack file itself.

        Args:
            name: The name of the file.
            there: The names of all files in its folder.
        """
        ack = self.ack_of(name)
        return ack is None or (ack != name and ack in there)


@dataclass(frozen=True)
class FileRules:
    """Rules for the files of a domain's tables.

    Attributes:
        domain: The name of the domain.
        rules: The rules of its tables; the first matching one applies.
    """

    domain: str
    rules: tuple[FileRule, ...]

    def rule_of(self, name: str) -> FileRule | None:
        """Return the first matching rule for a file; None if no rule matches, and for hidden files."""
        return None if name.startswith(".") else next((rule for rule in self.rules if rule.takes(name)), None)

    def selected(self, tables: Sequence[str]) -> FileRules:
        """Return the rules of some tables; of all if none is named.

        Args:
            tables: Names of tables or of their files, in any case.

        Raises:
            StarlakeError: If the domain has no such table, with the nearest existing name.
        """
        known = {name.lower(): rule for rule in self.rules for name in (rule.stem, rule.table)}
        for table in tables:
            if table.lower() not in known:
                names = [rule.table for rule in self.rules]
                raise PermanentError(
                    f"the table {self.domain}.{table} does not exist", fix=nearest(table, names) or "add a file for it"
                )
        chosen = {known[table.lower()] for table in tables} or set(self.rules)
        return replace(self, rules=tuple(rule for rule in self.rules if rule in chosen))

    def is_ack(self, name: str) -> bool:
        """Return True if a file is an ack file of one of the tables."""
        return any(rule.ack and name.endswith(f".{rule.ack.lstrip('.')}") for rule in self.rules)

    def unmatched(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the files that match no table and are not ack files."""
        return tuple(name for name in names if self.rule_of(name) is None and not self.is_ack(name))

    def complaint(self, names: Sequence[str], folder: object, what_becomes: str) -> str:
        """Return a message about files that match no table, with the most similar patterns.

        Args:
            names: The names of the files; at least one.
            folder: Their folder.
            what_becomes: Clause about what happens to them, such as ``they stay there``.
        """
        named = [f"{printable(name)}{self._hint(name)}" for name in names[:_MOST_NAMED]]
        more = [f"and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
        return (
            f"{counted(len(names))} in {folder} {'matches' if len(names) == 1 else 'match'} no table of the domain "
            f"{self.domain}; {what_becomes}: {', '.join([*named, *more])}"
        )

    def _hint(self, name: str) -> str:
        for rule in self.rules:
            if java_pattern(f"(?i){rule.pattern}").fullmatch(name):
                return f" (only its case differs from the pattern {rule.pattern} of the table {rule.table})"
        near = max(self.rules, key=lambda rule: _likeness(name, rule), default=None)
        if near is None or _likeness(name, near) < _NEAR:
            return ""
        return f" (nearest: the pattern {near.pattern} of the table {near.table})"


Contents = Callable[[str, FileRules], Sequence[str] | None]
"""Returns the files in an archive that match tables, and None for a file that is not an archive.

It raises a `StarlakeError` for an archive that cannot be read.
"""


@dataclass
class Arrivals:
    """The waiting files of a folder.

    Attributes:
        ready: Names of the files that the selected tables can load, including those in archives.
        others: Names of the files that match no selected table.
        problems: Problems of files that cannot be read.
    """

    ready: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    problems: list[StarlakeError] = field(default_factory=list)


def arrivals(
    names: Sequence[str], selected: FileRules, every: Callable[[], FileRules], contents: Contents | None
) -> Arrivals:
    """Classify the files of a folder.

    Args:
        names: The names of the files.
        selected: The rules of the selected tables.
        every: Returns the rules of all tables of the domain; called if there is an archive.
        contents: Lists the files in archives. None for a folder of staged files, which has neither archives nor ack
            files.
    """
    found, there = Arrivals(), set(names)
    for name in names:
        rule = selected.rule_of(name)
        if rule is None:
            _sort_archive(found, name, there, selected, every, contents)
        elif contents is None or rule.ready(name, there):
            found.ready.append(name)
    return found


def _sort_archive(
    found: Arrivals,
    name: str,
    there: Collection[str],
    selected: FileRules,
    every: Callable[[], FileRules],
    contents: Contents | None,
) -> None:
    try:
        within = contents(name, every()) if contents else None
    except StarlakeError as error:
        found.problems.append(error)
        return
    if not within:
        found.others.append(name)
    elif all(member_ready(every(), name, member, there) for member in within):
        found.ready += [member for member in within if selected.rule_of(member)]


def member_ready(rules: FileRules, archive: str, name: str, there: Collection[str]) -> bool:
    """Return True if a file in an archive is ready: the archive has an ack file, or the file has one.

    Args:
        rules: The rules of all tables of the domain.
        archive: The name of the archive.
        name: The name of the file in it.
        there: The names of all files beside the archive.
    """
    rule = rules.rule_of(name)
    return rule is not None and (rule.ready(archive, there) or rule.ready(name, there))


def _likeness(name: str, rule: FileRule) -> float:
    """Return the similarity of the words of a file's name to those of a pattern or a table's name, from 0 to 1."""
    words = _words(PurePath(name).stem)
    if not words:
        return 0
    others = (_words(re.sub(r"\\[A-Za-z]|(\\\.|\.)\w+$", " ", rule.pattern)), _words(rule.table))
    return max(difflib.SequenceMatcher(None, words, other).ratio() for other in others)


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W\d_]+", text.lower()))


def counted(files: int) -> str:
    """Return a number of files as text: ``1 file``, ``2 files``."""
    return f"{files} file" if files == 1 else f"{files} files"


def printable(name: str) -> str:
    r"""Return the name of a file in printable form: bytes that are not UTF-8 become ``\xff``."""
    try:
        text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def is_utf8(name: str) -> bool:
    """Return True if the name of a file, as returned by the system, is UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)
