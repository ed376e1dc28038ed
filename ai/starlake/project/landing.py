"""Where files land, and which table takes a file: one rule for the engine and for the checks before a load."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

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
        folder: The path or address of the folder.
        place: The file and line that name it, as ``file:line``.
    """

    domain: str
    folder: str
    place: str


def landing_folder(root: str, directory: str) -> str:
    """Return the folder that a domain's ``directory`` names.

    A relative path starts at the project, so that it names one folder wherever a command is started.

    Args:
        root: The project's folder, or its address.
        directory: What the metadata says, variables replaced.
    """
    plain = re.sub(r"^file:(//(?=/))?", "", directory)
    return plain if is_address(plain) else join(root, plain)


@dataclass(frozen=True)
class FileRule:
    """Which files a table takes.

    Attributes:
        table: The name of the table.
        stem: The name of its metadata file, by which commands select it too.
        pattern: The pattern, as the metadata has it.
        ack: The extension of the file that must lie beside a data file; None and empty when none is needed.
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
        """Tell whether the whole name of a file matches the pattern.

        Raises:
            StarlakeError: If the pattern is not a regular expression.
        """
        return java_pattern(self.pattern).fullmatch(name) is not None

    def ack_of(self, name: str) -> str | None:
        """Return the name of the ack file that a file waits for; None when it needs none."""
        return f"{PurePath(name).stem}.{self.ack.lstrip('.')}" if self.ack else None

    def ready(self, name: str, there: Collection[str]) -> bool:
        """Tell whether a file may be taken: it needs no ack file, or its ack file is there and it is not that itself.

        Args:
            name: The name of the file.
            there: The names of all files in its folder.
        """
        ack = self.ack_of(name)
        return ack is None or (ack != name and ack in there)


@dataclass(frozen=True)
class FileRules:
    """Which table of a domain takes a file.

    Attributes:
        domain: The name of the domain.
        rules: The rules of its tables; the first one that takes a file counts.
    """

    domain: str
    rules: tuple[FileRule, ...]

    def rule_of(self, name: str) -> FileRule | None:
        """Return the rule of the table that takes a file; None if no table does, and for hidden files."""
        return None if name.startswith(".") else next((rule for rule in self.rules if rule.takes(name)), None)

    def is_ack(self, name: str) -> bool:
        """Tell whether a file is an ack file of one of the tables."""
        return any(rule.ack and name.endswith(f".{rule.ack.lstrip('.')}") for rule in self.rules)

    def unmatched(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the files that no table takes and that are not ack files."""
        return tuple(name for name in names if self.rule_of(name) is None and not self.is_ack(name))

    def complaint(self, names: Sequence[str], folder: object, what_becomes: str) -> str:
        """Say which files match no table, and which patterns they come near to.

        Args:
            names: The names of the files; at least one.
            folder: Where they are.
            what_becomes: What happens to them, such as ``they stay there``.
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


def _likeness(name: str, rule: FileRule) -> float:
    """Return how much the words of a file's name are like those of a pattern or of a table's name, from 0 to 1."""
    words = _words(PurePath(name).stem)
    if not words:
        return 0
    others = (_words(re.sub(r"\\[A-Za-z]|(\\\.|\.)\w+$", " ", rule.pattern)), _words(rule.table))
    return max(difflib.SequenceMatcher(None, words, other).ratio() for other in others)


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W\d_]+", text.lower()))


def counted(files: int) -> str:
    """Return a number of files in words: ``1 file``, ``2 files``."""
    return f"{files} file" if files == 1 else f"{files} files"


def printable(name: str) -> str:
    r"""Return the name of a file as it can be printed anywhere: bytes that are not UTF-8 are written as ``\xff``."""
    try:
        text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def is_utf8(name: str) -> bool:
    """Tell whether the name of a file, as the system has it, is UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)
