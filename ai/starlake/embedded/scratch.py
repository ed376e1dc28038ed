"""Temporary folders, and those of killed commands."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ai.starlake.common.file_locks import try_lock_folder

_PREFIX = ".starlake-scratch-"
"""A prefix that users do not choose for their own folders."""
_FRESH = 3600.0
"""Seconds for which an unlocked folder is kept: its owner may be about to lock it."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Create a temporary folder that only this user can read, and remove it at the end.

    Folders that killed commands left for over an hour are removed first: a running command locks its own.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        descriptor = os.open(name, os.O_RDONLY)
        try:
            try_lock_folder(descriptor)
            yield Path(name)
        finally:
            os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    with os.scandir(parent) as entries:
        old = [entry.path for entry in entries if entry.name.startswith(_PREFIX) and _is_old(entry)]
    for path in old:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if try_lock_folder(descriptor):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)


def _is_old(entry: os.DirEntry[str]) -> bool:
    try:
        status = entry.stat(follow_symlinks=False)
        mine = entry.is_dir(follow_symlinks=False) and status.st_uid == os.getuid()
    except OSError:
        return False
    return mine and time.time() - status.st_mtime > _FRESH
