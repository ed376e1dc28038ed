"""Watching the content of a project: its files are read only if one of them may have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ai.starlake.project.assets.item_cache import content_hash, files_hash

if TYPE_CHECKING:
    from ai.starlake.project.assets.starlake_project import StarlakeProject

_Entry = tuple[str, str, float]
_COARSE = 2.0
"""Seconds within which two versions of a file may have the same modification time."""
_VERSIONS = ("generation", "etag", "ETag", "crc32c", "md5Hash", "content_md5", "checksum", "updated", "LastModified")


@dataclass(frozen=True)
class WatchedContent:
    """The content of a project at some time.

    Args:
        files: The hash of its files, which is the same for each environment.
        is_read: True if it is the content that the items were read from.
    """

    files: str
    is_read: bool


class ContentWatch:
    """Checks whether the files of a project are still those that its items were read from.

    Args:
        project: The project, whose items have been read.
    """

    def __init__(self, project: StarlakeProject) -> None:
        self._project = project
        self._folder: Any = project.model.settings.metadata
        self._known: tuple[tuple[_Entry, ...], WatchedContent] | None = None

    def look(self) -> WatchedContent:
        """Return the current content.

        Raises:
            OSError: If a file cannot be read, for example while it is being replaced.
        """
        asked = time.time()
        listing = tuple(sorted(_listing(self._folder)))
        if self._known and self._known[0] == listing:
            return self._known[1]
        content = content_hash(self._folder, self._project.environment, self._project.options)
        watched = WatchedContent(files_hash(self._folder), content == self._project.content)
        newest = max((modified for _, _, modified in listing), default=0.0)
        self._known = (listing, watched) if newest < asked - _COARSE else None
        return watched


def _listing(folder: Any) -> Iterator[_Entry]:
    """Yield each file with a value that changes when it is written, and its modification time."""
    if hasattr(folder, "fs"):
        folder.fs.invalidate_cache()
        for name, found in folder.fs.find(folder.path, detail=True).items():
            yield name, repr([found.get(key) for key in ("size", *_VERSIONS)]), _modified(found)
        return
    for parent, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(parent, name)  # noqa: PTH118  creating a Path takes longer than the stat
            with suppress(FileNotFoundError):  # a broken link, as some editors create them
                stat = os.stat(file)  # noqa: PTH116
                yield file, f"{stat.st_size} {stat.st_ino} {stat.st_mtime_ns}", stat.st_mtime


def _modified(found: Any) -> float:
    """Return the modification time of an object; that of one with a checksum does not matter."""
    if any(found.get(key) for key in _VERSIONS):
        return 0.0
    return time.time()
