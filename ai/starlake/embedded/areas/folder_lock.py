"""Locks on folders, which end with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl


def try_lock(descriptor: int) -> bool | None:
    """Try to lock an open folder.

    Returns:
        True if it is locked, None if another process holds it, False where locks do not work.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError:
        return False
    return True
