"""Metadata files of a project, each read, rendered and parsed once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ai.starlake.common import StarlakeError
from ai.starlake.project.areas import FOLDER_VARIABLES
from ai.starlake.project.findings import Finding, ProjectError, Severity
from ai.starlake.project.models.enums import UnknownKeys
from ai.starlake.project.paths import read_text
from ai.starlake.project.reading.documents import Document, parse_document
from ai.starlake.project.reading.migration import migrate
from ai.starlake.project.reading.unread_keys import unread_keys
from ai.starlake.project.templating.renderer import Renderer


class FileContent(NamedTuple):
    """Content below the root key of a file."""

    document: Document
    root: str
    data: Any
    findings: tuple[Finding, ...]
    """Warnings about migrated old keys; errors about unknown or duplicate keys."""

    def mapping(self) -> dict[str, Any]:
        """Return the content, which must be a mapping.

        Raises:
            ProjectError: If it is not a mapping.
        """
        if self.data is None:
            return {}
        if isinstance(self.data, dict):
            return self.data
        raise ProjectError(
            [
                self.document.finding(
                    (self.root,), f"{self.root} must be a mapping, not a list or a string", "indent them"
                )
            ]
        )


class Store:
    """Reads files with one set of variables.

    Args:
        renderer: Renders Jinja in the files.
        unknown: Treatment of unknown keys.
    """

    def __init__(self, renderer: Renderer, unknown: UnknownKeys = UnknownKeys.ERROR) -> None:
        self._renderer = renderer
        self._unknown = unknown
        self._contents: dict[tuple[Path, str], FileContent] = {}
        self._errors: dict[Path, list[Finding]] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings in the readable files so far."""
        return tuple(finding for content in self._contents.values() for finding in content.findings)

    def errors(self, files: Iterable[Path | None]) -> list[Finding]:
        """Return errors about readable files: unknown keys."""
        return [finding for file in files if file is not None for finding in self._errors.get(file, ())]

    def read(self, file: Path, root: str, *, rendered: bool = True) -> FileContent:
        """Return the content of a file.

        Args:
            file: The file.
            root: The root key of files of this kind.
            rendered: True if Jinja is rendered; DAG and env files are not rendered.

        Raises:
            ProjectError: If the file cannot be read or parsed, or does not have the root key.
        """
        key = (file, root)
        if key not in self._contents:
            content = self._contents[key] = self._read(file, root, rendered=rendered)
            self._errors.setdefault(file, []).extend(each for each in content.findings if each.is_error)
        return self._contents[key]

    def _read(self, file: Path, root: str, *, rendered: bool) -> FileContent:
        try:
            text = read_text(file)
            folders: list[str] = []
            if rendered:
                text = self._renderer.render(text, label=str(file), file=file)
                folders = [self._renderer.variables.get(name, "") for name in FOLDER_VARIABLES]
        except ProjectError:
            raise
        except StarlakeError as error:
            raise ProjectError.of_file(file, error) from error
        document = parse_document(file, text, folders)
        document, data, migrated = migrate(document, root)
        if data is None and document.data and root not in document.data:
            others = [name for name in document.data if name != "version"]
            found = f" but with {others[0]}" if others else ""
            message = f"the file does not begin with {root}{found}"
            raise ProjectError([document.finding((), message, f"put its content below {root}:")])
        return FileContent(document, root, data, (*migrated, *self._unread(document, root, data)))

    def _unread(self, document: Document, root: str, data: Any) -> list[Finding]:
        if self._unknown is UnknownKeys.IGNORE:
            return []
        severity = Severity.ERROR if self._unknown is UnknownKeys.ERROR else Severity.WARNING
        unread = (*document.findings, *unread_keys(document, root, data))
        return [replace(finding, severity=severity) for finding in unread]
