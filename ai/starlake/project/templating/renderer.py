"""Render the templates of a project, and report undefined variables."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.project.findings import Finding, ProjectError, Severity
from ai.starlake.project.models.enums import UndefinedVariables
from ai.starlake.project.paths import read_text
from ai.starlake.project.templating.rendering import Macros, UndefinedNameError, environment, macros_of, render

_COMMENTS = {
    "--": re.compile(r"(?P<comment>\{#.*?#\}|/\*.*?\*/|--[^\n]*)|\"[^\"]*\"|'[^']*'", re.DOTALL),
    "#": re.compile(r"(?P<comment>(?:^|(?<=\s))#[^\n]*)|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'", re.MULTILINE),
}
_HASHES = (".yml", ".yaml", ".py", ".py.j2")

RUN_TIME = MappingProxyType(
    {"sl_data_interval_start": "2000-01-01 00:00:00", "sl_data_interval_end": "2000-01-02 00:00:00"}
)
"""Variables that Dagster passes to the transforms of a run by ``--options``, with sample values."""


class Renderer:
    """Renders the templates of a project.

    Args:
        variables: The values of names.
        undefined: Treatment of undefined names.
        own: The names that the project itself defines.
        elsewhere: Further files that may contain such a name: those of macros.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        undefined: UndefinedVariables = UndefinedVariables.ERROR,
        own: frozenset[str] = frozenset(),
        elsewhere: Callable[[], Iterable[Path]] = tuple,
    ) -> None:
        self.variables = variables
        self.undefined = undefined
        self._own = own
        self._elsewhere = elsewhere
        self._findings: dict[Finding, None] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Warnings about undefined names in the files rendered so far."""
        return tuple(self._findings)

    def render(
        self,
        text: str,
        *,
        label: str,
        file: Path | None = None,
        extra: Mapping[str, Any] = MappingProxyType({}),
        macros: str = "",
    ) -> str:
        """Render a template.

        Args:
            text: The template.
            label: Its description, for error messages.
            file: Its file.
            extra: Variables that take precedence over those of the project.
            macros: A template that defines macros, which this one may call.

        Raises:
            ProjectError: If it uses an undefined variable, unless the project allows that.
            StarlakeError: If it cannot be rendered.
        """
        variables = {**self.variables, **extra}
        defined = Macros({})
        try:
            if macros and "{" in text:
                defined = macros_of(macros, variables)
            rendering = render(text, {**defined.by_name, **variables}, label=label)
        except UndefinedNameError as error:
            self.tell(error.missing, {**defined.by_name, **variables}, file, text, label=label)
            raise
        if defined.missing or rendering.missing:
            missing = {**defined.missing, **rendering.missing}
            self.tell(missing, {**defined.by_name, **variables}, file, text, label=label)
        return rendering.text

    def tell(
        self,
        names: Mapping[str, bool],
        known: Iterable[str],
        file: Path | None,
        text: str | None = None,
        *,
        label: str,
        included: Iterable[Path] = (),
    ) -> None:
        """Report undefined names as the project's settings require.

        A name that is only compared, as in ``{% if x == 'yes' %}``, may exist in some runs only: that is a warning,
        unless it is similar to a name that the project defines.

        Args:
            names: The names, and whether each is used.
            known: The defined names.
            file: The file of the template that uses them.
            text: The template, if it is not the file as a whole.
            label: Its description.
            included: The templates that it may include.

        Raises:
            ProjectError: If undefined names are errors.
        """
        if self.undefined is UndefinedVariables.EMPTY:
            return
        known = list(known)
        findings = []
        for name, used in names.items():
            place = self._place(name, file, text, included)
            if place is None:
                continue
            where, line = place
            is_error = self.undefined is UndefinedVariables.ERROR and (used or closest(name, self._own) is not None)
            message = f"the variable {name} is not defined"
            message = message if where is not None else f"{label}: {message}"
            severity = Severity.ERROR if is_error else Severity.WARNING
            findings.append(Finding(where, line, message, undefined_hint(name, known), severity))
        errors = [finding for finding in findings if finding.is_error]
        if errors:
            raise ProjectError(errors)
        self._findings |= dict.fromkeys(findings)

    def _place(
        self, name: str, file: Path | None, text: str | None, included: Iterable[Path]
    ) -> tuple[Path | None, int] | None:
        """Return the file and line of a name; None if it occurs in a comment only, where it does no harm."""
        files = [file] if file is not None and file.is_file() else []
        for candidate in (*files, *included, *self._elsewhere()):
            lines = lines_of(name, uncommented(_content(candidate), candidate))
            if lines:
                return candidate, lines[0]
        written = text if text is not None else "".join(map(_content, files))
        in_comments = lines_of(name, written) and not lines_of(name, uncommented(written, file))
        return None if in_comments else (file, 0)


def undefined_hint(name: str, known: Iterable[str]) -> str:
    """Return the fix for an undefined variable.

    Args:
        name: The variable.
        known: The defined names.
    """
    close = closest(name, known)
    guess = f"did you mean {close}? Otherwise " if close else ""
    return (
        f"{guess}define it in metadata/env.sl.yml, where --options and profiles override it, "
        f"or write {{{{ {name} | default('') }}}} where it may be missing"
    )


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the name that was probably meant."""
    lowered = {each.lower(): each for each in sorted(known)}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.7)
    return lowered[close[0]] if close else None


def uncommented(text: str, file: Path | None) -> str:
    """Return a string with blanked comments and unchanged lines.

    Args:
        text: The string.
        file: Its file: ``#`` begins a comment of YAML and Python, ``--`` one of SQL.
    """
    mark = "#" if file is not None and file.name.endswith(_HASHES) else "--"
    return _COMMENTS[mark].sub(
        lambda found: re.sub(r"[^\n]", " ", found[0]) if found["comment"] is not None else found[0], text
    )


def lines_of(name: str, text: str) -> list[int]:
    """Return the lines of a template, from 1, with a name: in Jinja or as ``${NAME}``, else anywhere.

    An expectation calls a macro with the name of its file before it, as in ``uniqueness.unique('id')``.
    """
    word = re.compile(rf"(?<![\w.]){re.escape(name)}\b|\.{re.escape(name)}\s*\(")
    reference = re.compile(rf"\$\{{\s*{re.escape(name)}\s*\}}")
    found = []
    for line, kind, value in _tokens(text):
        if (kind == "name" and value == name) or (kind == "data" and reference.search(value)):
            match = reference.search(value) if kind == "data" else None
            found.append(line + (value.count("\n", 0, match.start()) if match else 0))
    return found or [number for number, line in enumerate(text.splitlines(), 1) if word.search(line)]


def _tokens(text: str) -> list[tuple[int, str, str]]:
    from jinja2 import TemplateSyntaxError

    try:
        return list(environment().lex(text))
    except TemplateSyntaxError:
        return []


def _content(file: Path) -> str:
    try:
        return read_text(file)
    except StarlakeError:
        return ""
