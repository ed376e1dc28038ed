"""The emulator of Dataproc, Cloud Run and Cloud Storage, in this process."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.testing.gcp.clock import Clock
from ai.starlake.testing.gcp.errors import Code
from ai.starlake.testing.gcp.faults import Fault, When
from ai.starlake.testing.gcp.journal import Call
from ai.starlake.testing.gcp.timing import Timing
from ai.starlake.testing.gcp.views import ClusterView, ExecutionView, SparkJobView

if TYPE_CHECKING:
    from types import TracebackType

    from ai.starlake.testing.gcp.machine import Machine

EMBEDDED = (sys.executable, "-m", "ai.starlake.embedded")
MAIN_CLASS = "ai.starlake.job.Main"
IMAGE = "starlake"


class GcpEmulator:
    """Dataproc v1, Cloud Run v2 and Cloud Storage on the loopback interface, for tests.

    Clusters and jobs go through the states that they have on Google's side, and jobs and executions really run a
    command, each in a process group of its own. Use it as a context manager; leaving it ends all of its processes.

    What it refuses is what the services are known to refuse; the texts of errors are not theirs, so assert on codes.

    Args:
        command: What runs in place of Spark and of the entry point of every image; the arguments of the job follow. By
            default the embedded engine.
        clock: The time that lifetimes go by; by default the time of day, which `advance` moves on.
        speed: By how much the services are faster than on Google's side; see `Timing`.
        timing: How long they take there.
        main_class: The main class that Spark jobs may name; None for any. Others fail as a missing class does.
        grace: Seconds between SIGTERM and SIGKILL when a process is ended.
        port: The port of gRPC; 0 for any free one.
        rest_port: The port of REST; 0 for any free one.
    """

    def __init__(
        self,
        command: Sequence[str] = EMBEDDED,
        *,
        clock: Clock | None = None,
        speed: float = 300.0,
        timing: Timing | None = None,
        main_class: str | None = MAIN_CLASS,
        grace: float = 5.0,
        port: int = 0,
        rest_port: int = 0,
    ) -> None:
        if speed <= 0:
            raise StarlakeError(f"speed={speed} is not more than 0")
        self.clock = clock or Clock()
        self._speed = speed
        self._timing = timing or Timing()
        self._command = tuple(command)
        self._main_class = main_class
        self._grace = grace
        self._ports = (port, rest_port)
        self._running: Machine | None = None
        self._stack = ExitStack()

    def __enter__(self) -> GcpEmulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it; takes half a second for the imports, and some milliseconds from then on."""
        from ai.starlake.testing.gcp.machine import Machine

        with ExitStack() as stack:
            machine = Machine(
                clock=self.clock,
                timing=self._timing,
                speed=self._speed,
                command=self._command,
                main_class=self._main_class,
                grace=self._grace,
            )
            stack.callback(machine.stop)
            machine.listen(*self._ports)
            self._running = machine
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """Ends it and all processes of its jobs and executions; its journal and views stay."""
        self._stack.close()

    @property
    def _machine(self) -> Machine:
        if self._running is None:
            raise StarlakeError("the emulator is not running", fix="use it as a context manager, or call start()")
        return self._running

    @property
    def endpoint(self) -> str:
        """Where all services listen for gRPC: ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._machine.port}"

    @property
    def rest_endpoint(self) -> str:
        """Where all services listen for REST: ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._machine.rest_port}"

    @property
    def storage_endpoint(self) -> str:
        """Where Cloud Storage listens, as STORAGE_EMULATOR_HOST names it."""
        return self._machine.storage.endpoint

    def options(self) -> dict[str, str]:
        """The options that lead a Starlake job here."""
        return {
            "dataproc_endpoint": self.endpoint,
            "cloud_run_endpoint": self.endpoint,
            "storage_endpoint": self.storage_endpoint,
        }

    @property
    def journal(self) -> list[Call]:
        """All calls that arrived, in order."""
        return self._machine.journal.calls()

    def calls(self, method: str) -> list[Call]:
        """The calls of one method, named alone or with its service: ``RunJob``, ``JobController.GetJob``."""
        return [call for call in self.journal if call.is_of(method)]

    def fault(
        self,
        method: str,
        code: str,
        *,
        when: When = "before",
        count: int | None = 1,
        probability: float | None = None,
        seed: int | None = None,
        delay: float = 0.0,
        message: str = "injected fault",
    ) -> None:
        """Orders a fault: calls of a method are answered with an error.

        Args:
            method: The method, named alone or with its service; ``*`` for all.
            code: The status, such as ``UNAVAILABLE``; ``OK`` for an answer that is only late.
            when: ``before`` the side effect, which then does not happen, or ``after`` it: the answer is lost.
            count: How many calls it strikes; None for any number.
            probability: The share of calls that it strikes; it then strikes any number of them.
            seed: Makes the choice of those calls repeatable.
            delay: Seconds that the answer takes.
            message: What the caller is told.

        Raises:
            StarlakeError: If there is no such method or code.
        """
        if code not in Code.__members__:
            raise StarlakeError(f"there is no status {code!r}", fix=f"one of {', '.join(Code.__members__)}")
        chosen = random.Random(seed)  # noqa: S311  no secret
        strikes = None if probability is not None else count
        self._machine.faults.order(Fault(method, Code[code], when, strikes, probability, delay, message, chosen))

    def clear_faults(self) -> None:
        """Forgets all faults that were ordered, those of clusters included."""
        self._machine.clear_faults()

    def fail_clusters(
        self, count: int = 1, *, detail: str = "Insufficient 'CPUS' quota. Requested 12.0, available 4.0."
    ) -> None:
        """Lets the next creations of clusters fail late: the operation fails, the cluster stays, in state ERROR.

        Args:
            count: How many.
            detail: What the service says.
        """
        self._machine.fail_clusters([detail] * count)

    @property
    def clusters(self) -> dict[str, ClusterView]:
        """The clusters that are not gone, by name."""
        return {view.name: view for view in self.all_clusters if view.state != "DELETED"}

    @property
    def all_clusters(self) -> list[ClusterView]:
        """Every cluster that ever was, in the order of creation."""
        return self._machine.cluster_views()

    @property
    def spark_jobs(self) -> list[SparkJobView]:
        """Every Spark job that was submitted, in order."""
        return self._machine.job_views()

    @property
    def executions(self) -> list[ExecutionView]:
        """Every execution of a Cloud Run job, in order."""
        return self._machine.execution_views()

    def add_job(
        self,
        name: str,
        *,
        image: str = IMAGE,
        command: Sequence[str] = (),
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        timeout: float = 600,
        max_retries: int = 3,
        tasks: int = 1,
        parallelism: int = 0,
    ) -> None:
        """Deploys a Cloud Run job, or replaces it.

        Args:
            name: ``projects/P/locations/L/jobs/J``.
            image: Its image; nothing is pulled.
            command: What runs instead of the command of the emulator, as the entry point of the image is replaced.
            args: Its arguments, unless a run overrides them.
            env: Its variables, to which those of a run are added.
            timeout: Seconds that an attempt of a task may take.
            max_retries: How often a task is begun again when it fails.
            tasks: How many tasks an execution has.
            parallelism: How many of them run at once; 0 for all.

        Raises:
            StarlakeError: If the service would refuse it.
        """
        self._machine.add_job(
            name,
            image=image,
            command=command,
            args=args,
            env=env,
            timeout=timeout,
            max_retries=max_retries,
            tasks=tasks,
            parallelism=parallelism,
        )

    def advance(self, seconds: float) -> None:
        """Moves the clock on; clusters whose time to live is over by then are being deleted when this returns."""
        self.clock.advance(seconds)

    def wait_for(self, condition: Callable[[GcpEmulator], Any], timeout: float = 30.0) -> None:
        """Waits until a condition holds, without polling: it is looked at whenever the state changes.

        Args:
            condition: Such as ``lambda gcp: gcp.spark_jobs[0].state == "DONE"``.
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: If it does not hold by then.
        """
        if not self._machine.world.wait_for(lambda: condition(self), timeout):
            raise TimeoutError(f"the condition does not hold after {timeout:g} s")
