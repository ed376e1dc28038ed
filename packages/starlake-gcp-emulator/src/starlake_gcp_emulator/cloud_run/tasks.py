"""The tasks of a Cloud Run execution."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from starlake_gcp_emulator.state.processes import Processes, Work
from starlake_gcp_emulator.state.world import World

TaskState = Literal["pending", "running", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class LogLine:
    """A line that a task printed.

    Args:
        task: The index of the task.
        attempt: Number of earlier attempts of the task.
        stream: ``stdout`` or ``stderr``.
        time: Time in seconds since the epoch.
        text: The line.
    """

    task: int
    attempt: int
    stream: str
    time: float
    text: str


@dataclass(frozen=True)
class TaskPlan:
    """Common settings of the tasks of an execution.

    Args:
        argv: The command.
        env: The variables of the container.
        timeout: Seconds that an attempt may take.
        max_retries: Number of retries of a failed task.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    timeout: float
    max_retries: int


class Task:
    """One task: a process, begun again when it fails, as often as the job allows.

    Args:
        index: Its number, from 0.
        plan: Plan of the task.
        world: The shared state.
        processes: Processes of tasks.
        on_line: Called with what it prints, in a thread of its own.
        on_change: Called under the lock when its state changed.
    """

    def __init__(
        self,
        index: int,
        plan: TaskPlan,
        world: World,
        processes: Processes,
        *,
        on_line: Callable[[LogLine], None],
        on_change: Callable[[], None],
    ) -> None:
        self.index = index
        self.state: TaskState = "pending"
        self.attempt = 0
        self.exit_code: int | None = None
        self.detail = ""
        self._plan = plan
        self._world = world
        self._processes = processes
        self._on_line = on_line
        self._on_change = on_change
        self._work: Work | None = None
        self._cancelled = False

    @property
    def ended(self) -> bool:
        """True if it runs no more, and will not again."""
        return self.state not in {"pending", "running"}

    def start(self, surroundings: Mapping[str, str]) -> None:
        """Begins it; under the lock.

        Args:
            surroundings: The variables that the service sets, but for those of the task itself.
        """
        self.state = "running"
        self._begin(surroundings)

    def cancel(self) -> None:
        """End it; under the lock."""
        if self.ended:
            return
        self._cancelled = True
        if self._work is None:
            self.state = "cancelled"
        else:
            self._work.end("cancelled")

    def _begin(self, surroundings: Mapping[str, str]) -> None:
        self.exit_code = None
        own = {"CLOUD_RUN_TASK_INDEX": str(self.index), "CLOUD_RUN_TASK_ATTEMPT": str(self.attempt)}
        work = self._processes.start(
            self._plan.argv,
            {**os.environ, **self._plan.env, **surroundings, **own},
            on_line=self._note,
            on_end=lambda code: self._ended(code, surroundings),
        )
        self._work = work
        self._world.scheduler.after(self._plan.timeout, lambda: work.end("timeout"))

    def _note(self, stream: str, line: str) -> None:
        self._on_line(LogLine(self.index, self.attempt, stream, self._world.clock.now(), line))
        self._world.touch()

    def _ended(self, code: int | None, surroundings: Mapping[str, str]) -> None:
        with self._world.changed:
            ended = self._work.ended if self._work is not None else "stopped"
            self._work = None
            self.exit_code = code
            self._judge(code, ended, surroundings)
            self._on_change()
            self._world.touch()

    def _judge(self, code: int | None, ended: str | None, surroundings: Mapping[str, str]) -> None:
        if code == 0:
            self.state = "succeeded"
        elif self._cancelled or ended in {"cancelled", "stopped"}:
            self.state = "cancelled"
        elif self.attempt < self._plan.max_retries:
            self.attempt += 1
            self._begin(surroundings)
        else:
            self.state = "failed"
            self.detail = (
                "The configured timeout was reached."
                if ended == "timeout"
                else f"The container exited with an error: code {code}."
            )
