"""Folders of a project: local ones, and those of object stores by their address."""

from __future__ import annotations

import contextvars
import re
import threading
from pathlib import Path
from typing import Any, cast

from ai.starlake.common import StarlakeError

_PATIENCE = 10.0
"""Seconds within which an object store has to answer."""
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


def is_folder(folder: Path) -> bool:
    """Return True if a folder exists; on an object store, if there is anything in it.

    Raises:
        StarlakeError: If the object store cannot be reached, or does not answer within ten seconds. The drivers of
            object stores repeat their calls for a minute, and then say that there is no folder.
    """
    if not is_address(str(folder)):
        return folder.is_dir()
    answers: list[bool | Exception] = []
    probe = threading.Thread(
        target=contextvars.copy_context().run, args=(_ask, folder, answers), name="starlake-reach", daemon=True
    )
    probe.start()
    probe.join(_PATIENCE)
    answer = answers[0] if answers else TimeoutError(f"no answer within {_PATIENCE:.0f} s")
    if isinstance(answer, bool):
        return answer
    raise StarlakeError(
        f"{folder} cannot be reached",
        cause=f"{type(answer).__name__}: {answer}",
        fix="check the network of this machine and its credentials, and that SL_ROOT names the right bucket",
    )


def _ask(folder: Any, answers: list[bool | Exception]) -> None:
    """Append whether a folder exists, or the error of the driver; the folder is a path of universal-pathlib."""
    try:
        info = folder.fs.info(folder.path)
        answers.append(info["type"] == "directory")
    except FileNotFoundError:
        answers.append(False)
    except Exception as error:  # noqa: BLE001  each driver has errors of its own
        answers.append(error)


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
