"""The most memory that this process has held."""

from __future__ import annotations

import re
import resource
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_kilobytes() -> int:
    """Return the peak of the resident set.

    On Linux ``ru_maxrss`` is not that: a child of `subprocess` starts with the peak of its parent as its own.
    """
    if _STATUS.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
