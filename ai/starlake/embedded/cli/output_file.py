"""Files that verbs write."""

from __future__ import annotations

from pathlib import Path

from ai.starlake.common import StarlakeError


def write(file: Path, text: str) -> None:
    """Write a text file, and create missing folders.

    Raises:
        StarlakeError: If it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StarlakeError(f"{file} cannot be written", cause=error.strerror or str(error)) from error
