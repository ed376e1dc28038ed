"""The processes that stand for Spark drivers and containers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.supervision import OnLine, run_process

Ended = Literal["cancelled", "timeout", "stopped"]

_CANNOT_START = 127


class Work:
    """A command that runs in a process group of its own.

    Args:
        argv: The command.
        environment: All of its environment.
        on_line: Called with the stream and the text of each line that it prints.
        on_end: Called at its end with its exit code, None when it was ended. Both are called in a thread of its own.
        grace: Seconds between SIGTERM and SIGKILL when it is ended.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        on_line: OnLine,
        on_end: Callable[[int | None], None],
        grace: float,
    ) -> None:
        self.argv = tuple(argv)
        self.ended: Ended | None = None
        self._environment = dict(environment)
        self._on_line = on_line
        self._on_end = on_end
        self._grace = grace
        self._unwanted, self._wanted = os.pipe()
        self._over = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"gcp-emulator {argv[0]}", daemon=True)

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def end(self, reason: Ended) -> None:
        """End it, all of its group, without waiting; only the first reason counts."""
        with self._lock:
            if self.ended is None and not self._over:
                self.ended = reason
                os.write(self._wanted, b"!")  # closing would not do: a forked process may hold the pipe open

    @property
    def running(self) -> bool:
        """True if `on_end` has not yet been called."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Wait until nothing of it is left and `on_end` was called."""
        self._thread.join()

    def _run(self) -> None:
        code = self._exit_code()
        with self._lock:
            self._over = True
            os.close(self._wanted)
            os.close(self._unwanted)
        self._on_end(None if self.ended else code)

    def _exit_code(self) -> int | None:
        try:
            return run_process(
                self.argv,
                environment=self._environment,
                on_line=self._on_line,
                grace=self._grace,
                death_fd=self._unwanted,
            )
        except StarlakeError as error:
            if self.ended is None:
                self._on_line("stderr", str(error))
            return _CANNOT_START


class Processes:
    """Starts work, and ends what is left of it.

    Args:
        grace: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._lock = threading.Lock()
        self._works: list[Work] = []
        self._stopped = False

    def start(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        on_line: OnLine,
        on_end: Callable[[int | None], None],
    ) -> Work:
        """Run a command in the background; end it at once after `stop`."""
        work = Work(argv, environment, on_line=on_line, on_end=on_end, grace=self._grace)
        with self._lock:
            self._works = [one for one in self._works if one.running] + [work]
            work.start()
            if self._stopped:
                work.end("stopped")
        return work

    def stop(self) -> None:
        """End all work and wait until nothing of it is left."""
        with self._lock:
            self._stopped = True
            works = list(self._works)
        for work in works:
            work.end("stopped")
        for work in works:
            work.join()
