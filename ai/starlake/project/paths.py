"""Paths and URIs of a project as strings."""

from __future__ import annotations

import re
from pathlib import Path

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.project.findings import ProjectError

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")


def is_address(text: str) -> bool:
    """Return True if a string is a URI such as ``gs://bucket/folder`` rather than a local path."""
    return _SCHEME.match(text) is not None


def join(base: str, *parts: str) -> str:
    """Append parts to a local path or a URI; an absolute part replaces the preceding ones."""
    result = base
    for part in parts:
        result = part if is_address(part) or part.startswith("/") else f"{result.rstrip('/')}/{part}"
    return result


def read_metadata(file: Path) -> str:
    """Return the content of a text file of the metadata, without a byte order mark.

    Raises:
        ProjectError: If it cannot be read, or is not UTF-8.
    """
    try:
        return read_text(file)
    except StarlakeError as error:
        raise ProjectError.of_file(file, error) from error


def read_text(file: Path) -> str:
    """Return the content of a text file, without a byte order mark.

    Raises:
        StarlakeError: If it cannot be read, or is not UTF-8.
    """
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PermanentError(f"{file} is not UTF-8", cause=str(error), fix="save the file as UTF-8") from error
    except OSError as error:
        raise StarlakeError(f"{file} cannot be read", cause=error.strerror or str(error)) from error
