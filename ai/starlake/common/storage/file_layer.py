"""The file layer of a job: a value made from its options, which all code that accesses files receives."""

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
"""Group of entry points that add URI schemes. The name of an entry point is the scheme; its object, called without
arguments, returns a `Storage`."""

_PATIENCE = 10.0
"""Seconds to wait for an answer of an object store."""


class Storage(Protocol):
    """Access to the files of one scheme. Neither method calls the store."""

    def path(self, uri: str) -> Path:
        """Return a path of universal-pathlib, to read files.

        Args:
            uri: URI in the store.
        """
        ...

    def location(self, uri: str) -> Location:
        """Return a location, to move, write and remove files.

        Args:
            uri: URI in the store.
        """
        ...


@dataclass(frozen=True, eq=False)
class Files:
    """Access of a job to files.

    Two jobs with different options have two independent instances.

    Args:
        storages: The storages of some schemes. Other schemes come from plug-ins, or from fsspec.
    """

    storages: Mapping[str, Storage] = field(default_factory=dict)
    _probes: dict[str, _Probe] = field(default_factory=dict, init=False, repr=False)

    def location(self, location: str | Path) -> Location:
        """Return the location of a path or a URI, without calling the store.

        Args:
            location: A path, or a URI such as ``gs://bucket/folder``.

        Raises:
            StarlakeError: If the URI is invalid.
        """
        local = local_path(location)
        return self._storage(str(location)).location(str(location)) if local is None else LocalLocation(local)

    def path(self, location: str | Path) -> Path:
        """Return the path object of a path or a URI, without calling the store.

        Args:
            location: A path, or a URI such as ``gs://bucket/folder``.

        Raises:
            StarlakeError: If the URI is invalid, or its scheme has no driver.
        """
        local = local_path(location)
        return self._storage(str(location)).path(str(location)) if local is None else local

    def is_folder(self, folder: Path) -> bool:
        """Return True if a folder exists; in an object store, if it contains an object.

        An object store that does not answer is waited for once: until it answers, each further call fails at once.

        Args:
            folder: A path that `path` returned, or one below it.

        Raises:
            StarlakeError: If the object store cannot be reached, or does not answer within ten seconds. The drivers of
                object stores repeat their calls for a minute, and then report that the folder does not exist.
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
    """One request to an object store, made in a thread: drivers repeat their calls for longer than we wait.

    Args:
        folder: The requested folder.
    """

    def __init__(self, folder: Path) -> None:
        from ai.starlake.common.storage.object_store import require_driver

        require_driver(folder)  # its import may take longer than the request
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
        """Return True if the folder exists.

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
    """Return the plug-in of a scheme; the search takes some milliseconds, once."""
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
