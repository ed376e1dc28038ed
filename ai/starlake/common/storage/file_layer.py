"""The file layer of a job: a value that is made from its options and handed to whatever reaches files."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from ai.starlake.common.errors import StarlakeError
from ai.starlake.common.storage.local_disk import LocalLocation
from ai.starlake.common.storage.location import Location, local_path

PLUG_INS = "starlake.storage"
"""The group of entry points that add schemes. The name of one is the scheme; its object, called without arguments,
returns a `Storage`."""

_PATIENCE = 10.0
"""Seconds within which an object store has to answer."""


class Storage(Protocol):
    """How the files of one scheme are reached. Neither method calls the store yet."""

    def path(self, uri: str) -> Path:
        """Return a path of universal-pathlib, to read files by."""
        ...

    def location(self, uri: str) -> Location:
        """Return a location, to move, write and remove files by."""
        ...


@dataclass(frozen=True, eq=False)
class Files:
    """How a job reaches files.

    Two jobs with different options have two of these, and do not get in each other's way.

    Args:
        storages: The storages of some schemes. Other schemes are those of plug-ins, else left to fsspec.
    """

    storages: Mapping[str, Storage] = field(default_factory=dict)
    _probes: dict[str, _Probe] = field(default_factory=dict, init=False, repr=False)

    def location(self, location: str | Path) -> Location:
        """Return the location of a path or a URI, without a call of the store.

        Raises:
            StarlakeError: If it is a URI that cannot be understood.
        """
        local = local_path(location)
        return self._storage(str(location)).location(str(location)) if local is None else LocalLocation(local)

    def path(self, location: str | Path) -> Path:
        """Return the path object of a path or a URI, without a call of the store.

        Raises:
            StarlakeError: If it is a URI that cannot be understood, or that there is no driver for.
        """
        local = local_path(location)
        return self._storage(str(location)).path(str(location)) if local is None else local

    def is_folder(self, folder: Path) -> bool:
        """Return True if a folder exists; in an object store, if there is anything in it.

        An object store that does not answer is waited for once: until it does, each further question fails at once.

        Args:
            folder: A path that `path` returned, or one below it.

        Raises:
            StarlakeError: If the object store cannot be reached, or does not answer within ten seconds. The drivers of
                object stores repeat their calls for a minute, and then say that there is no folder.
        """
        if local_path(folder) is not None:
            return folder.is_dir()
        store = "/".join(str(folder).split("/")[:3])
        probe = self._probes.get(store)
        if probe is None or not probe.tells_of(folder):
            probe = self._probes[store] = _Probe(folder)
        return probe.answer()

    def _storage(self, uri: str) -> Storage:
        scheme = uri.partition("://")[0].lower()
        return self.storages.get(scheme) or _plug_in(scheme) or _any_driver()


class _Probe:
    """One question to an object store, asked in a thread: drivers repeat their calls for longer than we wait.

    Args:
        folder: The folder that is asked for.
    """

    def __init__(self, folder: Path) -> None:
        from ai.starlake.common.storage.object_store import require_driver

        require_driver(folder)  # importing it may take longer than the store
        self._folder = folder
        self._deadline = time.monotonic() + _PATIENCE
        self._future: Future[bool] = Future()
        Thread(target=self._ask, args=(folder,), name="starlake-reach", daemon=True).start()

    def tells_of(self, folder: Path) -> bool:
        """Return True if the question about a folder needs no further call."""
        if self._future.done():
            return False
        return str(folder) == str(self._folder) or time.monotonic() >= self._deadline

    def answer(self) -> bool:
        """Return whether the folder exists.

        Raises:
            StarlakeError: If the store cannot be reached, or does not answer in time.
        """
        try:
            return self._future.result(timeout=max(0.0, self._deadline - time.monotonic()))
        except NoAnswer as error:
            waited = TimeoutError(f"no answer within {_PATIENCE:.0f} s")
            problem: Exception = error if self._future.done() else waited
        except Exception as error:  # noqa: BLE001  each driver has errors of its own
            problem = error
        raise StarlakeError(
            f"{self._folder} cannot be reached",
            cause=f"{type(problem).__name__}: {problem}",
            fix="check the network of this machine and its credentials, and that SL_ROOT names the right bucket",
        ) from problem

    def _ask(self, folder: Any) -> None:
        found = False
        try:
            with suppress(FileNotFoundError):
                found = folder.fs.info(folder.path)["type"] == "directory"
        except BaseException as error:  # noqa: BLE001  raised where the answer is wanted
            self._future.set_exception(error)
        else:
            self._future.set_result(found)


@functools.cache
def _plug_in(scheme: str) -> Storage | None:
    """Return what is installed for a scheme; to look for it costs some milliseconds, once."""
    found = next(iter(entry_points(group=PLUG_INS, name=scheme)), None)
    if found is None:
        return None
    try:
        plug_in: Storage = found.load()()
    except (ImportError, AttributeError) as error:
        raise StarlakeError(
            f"{scheme}:// cannot be reached", cause=f"its driver {found.value} cannot be loaded: {error}"
        ) from error
    return plug_in


def _any_driver() -> Storage:
    from ai.starlake.common.storage.object_store import DriverStorage

    return DriverStorage()
