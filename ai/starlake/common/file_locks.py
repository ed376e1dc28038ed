"""Locks on files and folders, which the operating system releases when their holder ends, however it ends.

Libraries that offer such locks do not distinguish a lock that is held from one that the file system refuses (a network
share without a lock daemon, for example), and wait for both.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path

from ai.starlake.common.errors import StarlakeError

_HELD = frozenset({errno.EAGAIN, errno.EWOULDBLOCK})


class LocksRefusedError(StarlakeError):
    """The file system refuses locks. Waiting does not help.

    Args:
        path: The file or folder to lock.
        error: The error of the operating system.
        fix: Advice for the user.
    """

    def __init__(self, path: Path, error: OSError, *, fix: str) -> None:
        super().__init__(
            f"{path} cannot be locked",
            cause=f"its file system refuses locks: {os.strerror(error.errno or 0)}",
            fix=fix,
        )


class FileLock:
    """A lock with one holder at a time, in this process and all others.

    Args:
        path: The lock file; it is created when missing.
        fix: Advice for the user if the file system refuses locks.
    """

    _file: io.FileIO | None = None

    def __init__(self, path: Path, *, fix: str) -> None:
        self.path = path
        self._fix = fix

    def acquire(self) -> bool:
        """Take the lock if it is free; return True if it was taken.

        A signal handler may raise at any time. Then `release`, or the end of this object, releases a lock that was
        taken.

        Raises:
            LocksRefusedError: If the file system refuses locks.
            OSError: If the lock file cannot be opened.
        """
        import fcntl

        if self._file is not None:
            return False
        file = self._file = io.FileIO(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_removed(file.fileno()):
                self.release()
                return self.acquire()
        except OSError as error:
            self.release()
            if error.errno in _HELD:
                return False
            raise LocksRefusedError(self.path, error, fix=self._fix) from error
        return True

    def release(self, *, remove: bool = False) -> None:
        """Release the lock if it is held.

        Args:
            remove: True to delete the lock file.
        """
        if self._file is None:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        self._file.close()  # closing twice does no harm, unlike that of a descriptor
        self._file = None

    def __del__(self) -> None:
        """Release the lock that an interrupted holder has lost."""
        if self._file is not None:
            self._file.close()

    def _is_removed(self, file: int) -> bool:
        """Return True if an earlier holder deleted the lock file after it was opened here."""
        try:
            return not os.path.samestat(os.fstat(file), self.path.stat())
        except FileNotFoundError:
            return True


def try_lock_folder(descriptor: int) -> bool | None:
    """Try to lock an open folder.

    Returns:
        True if it is locked, None if another process holds it, False if the file system refuses locks.
    """
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError:
        return False
    return True


def check_range_locks(path: Path, *, fix: str) -> None:
    """Check that the file system grants locks on byte ranges, which DuckDB takes on its files.

    Args:
        path: The file that could not be locked. A new file beside it, which no process holds, is locked instead.
        fix: Advice for the user if the file system refuses locks.

    Raises:
        LocksRefusedError: If it does not.
    """
    import fcntl

    try:
        probe = tempfile.TemporaryFile(prefix=".starlake-lock-", dir=path.parent)  # noqa: SIM115
    except OSError:  # a folder that is not writable says nothing about locks
        return
    with probe:
        try:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LocksRefusedError(path, error, fix=fix) from error
