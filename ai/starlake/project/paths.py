"""Folders of a project: local ones, and those of object stores by their address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from ai.starlake.common import StarlakeError

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")


def is_address(text: str) -> bool:
    """Whether a text is an address such as ``gs://bucket/folder`` rather than a local path."""
    return _SCHEME.match(text) is not None


def as_path(text: str | Path) -> Path:
    """A path object for a local path or an address.

    Args:
        text: A local path, ``file://...``, or an address whose scheme universal-pathlib has a driver for.

    Raises:
        StarlakeError: If there is no driver for the scheme.
    """
    plain = str(text)
    if plain.startswith("file:"):
        plain = re.sub(r"^file:(//)?", "", plain)
    if not is_address(plain):
        return text if isinstance(text, Path) else Path(plain)
    from upath import UPath

    try:
        return cast("Path", UPath(plain))
    except (ImportError, ValueError) as error:
        scheme = plain.partition("://")[0]
        raise StarlakeError(
            f"{plain} cannot be read", cause=str(error), fix=f"install the fsspec driver of {scheme}://"
        ) from error


def join(base: str, *parts: str) -> str:
    """Appends parts to a local path or an address; a part that is absolute or an address replaces what is before it."""
    result = base
    for part in parts:
        result = part if is_address(part) or part.startswith("/") else f"{result.rstrip('/')}/{part}"
    return result


def read_text(file: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        StarlakeError: If it cannot be read, or is not UTF-8.
    """
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StarlakeError(f"{file} is not UTF-8", cause=str(error), fix="save the file as UTF-8") from error
    except OSError as error:
        raise StarlakeError(f"{file} cannot be read", cause=error.strerror or str(error)) from error
