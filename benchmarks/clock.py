"""Wall time and processor time. The latter says more on a machine that others use at the same time."""

from __future__ import annotations

import resource
import time


class Clock:
    """Measures from its construction, processes that were waited for included."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._processor = _processor_seconds()

    def read(self, name: str) -> dict[str, float]:
        """Return the seconds since then, as ``{name}`` and ``{name}_cpu``."""
        return {name: time.perf_counter() - self._wall, f"{name}_cpu": _processor_seconds() - self._processor}


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
