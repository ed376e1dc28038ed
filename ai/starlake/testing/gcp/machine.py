"""The running emulator: its services, its fronts, its processes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.testing.gcp.base import Endpoints
from ai.starlake.testing.gcp.clock import Clock
from ai.starlake.testing.gcp.clusters import Clusters
from ai.starlake.testing.gcp.control import Control
from ai.starlake.testing.gcp.dispatcher import Dispatcher
from ai.starlake.testing.gcp.driver import Drivers
from ai.starlake.testing.gcp.errors import Code, RpcError
from ai.starlake.testing.gcp.executions import Executions
from ai.starlake.testing.gcp.faults import Fault, Faults, When
from ai.starlake.testing.gcp.grpc_front import GrpcFront
from ai.starlake.testing.gcp.journal import Journal
from ai.starlake.testing.gcp.logs import methods_of_logging
from ai.starlake.testing.gcp.methods import all_methods
from ai.starlake.testing.gcp.operations import Operations
from ai.starlake.testing.gcp.processes import Processes
from ai.starlake.testing.gcp.rest_front import RestFront
from ai.starlake.testing.gcp.run_jobs import RunJobs, job_definition
from ai.starlake.testing.gcp.spark_jobs import SparkJobs
from ai.starlake.testing.gcp.storage import StorageServer
from ai.starlake.testing.gcp.timing import Timing
from ai.starlake.testing.gcp.world import World


class Machine:
    """All services, and what they run. The arguments are those of `GcpEmulator`."""

    def __init__(
        self,
        *,
        clock: Clock,
        timing: Timing,
        speed: float,
        command: Sequence[str],
        main_class: str | None,
        grace: float,
        ports: tuple[int, int, int],
    ) -> None:
        self._ports = ports
        self._storage = StorageServer(ports[2])
        self.world = World(clock, timing, speed)
        self._journal = Journal()
        self._processes = Processes(grace)
        operations = Operations(self.world)
        self._clusters = Clusters(self.world, operations)
        drivers = Drivers(command, main_class, self._processes, self._storage, self.world.touch)
        self._jobs = SparkJobs(self.world, self._clusters, drivers)
        self._executions = Executions(self.world, operations, self._processes)
        self._run_jobs = RunJobs(self.world, operations, self._executions, command)
        methods = all_methods(self._clusters, self._jobs, self._run_jobs, self._executions, operations)
        self.methods = {**methods, **methods_of_logging(self._executions)}
        self._faults = Faults(self.methods)
        self._fronts: list[GrpcFront | RestFront] = []
        self.endpoints = Endpoints("", "", self._storage.endpoint)

    def listen(self) -> None:
        """Opens the fronts."""
        dispatcher = Dispatcher(self.world, self._journal, self._faults)
        front = GrpcFront(self.methods.values(), dispatcher, self._ports[0])
        self._fronts.append(front)
        rest = RestFront(self.methods.values(), dispatcher, Control(self), self._ports[1])
        self._fronts.append(rest)
        grpc, http = (f"http://127.0.0.1:{port}" for port in (front.port, rest.port))
        self.endpoints = Endpoints(grpc, http, self._storage.endpoint)

    def stop(self) -> None:
        """Ends all processes and servers."""
        for front in self._fronts:
            front.stop()
        self.world.scheduler.stop()
        self._processes.stop()
        self._storage.stop()

    def show(self, what: str) -> list[Any]:
        """The journal, or the views of a kind of resource: clusters, spark_jobs, executions."""
        if what == "journal":
            return self._journal.calls()
        with self.world.changed:
            if what == "clusters":
                return [record.view() for record in self._clusters.records]
            if what == "spark_jobs":
                return [record.view() for record in self._jobs.records]
            return [record.view() for record in self._executions.records]

    def do(self, action: str, arguments: Mapping[str, Any]) -> None:
        """Does one of what `Emulator` offers.

        Raises:
            StarlakeError: If its arguments are wrong.
        """
        actions: dict[str, Callable[..., None]] = {
            "fault": self._fault,
            "clear_faults": self._clear_faults,
            "fail_clusters": self._fail_clusters,
            "add_job": self._add_job,
            "add_bucket": self._storage.create_bucket,
            "advance": self.world.clock.advance,
        }
        actions[action](**arguments)

    def _fault(
        self,
        method: str,
        code: str,
        when: When,
        count: int | None,
        probability: float | None,
        seed: int | None,
        delay: float,
        message: str,
        together: int,
    ) -> None:
        if code not in Code.__members__:
            raise StarlakeError(f"there is no status {code!r}", fix=f"one of {', '.join(Code.__members__)}")
        chosen = random.Random(seed)  # noqa: S311  no secret
        strikes = None if probability is not None else count
        self._faults.order(Fault(method, Code[code], when, strikes, probability, delay, message, chosen, together))

    def _clear_faults(self) -> None:
        self._faults.clear()
        with self.world.changed:
            self._clusters.failures.clear()

    def _fail_clusters(self, count: int, detail: str) -> None:
        with self.world.changed:
            self._clusters.failures.extend([detail] * count)

    def _add_job(self, **definition: Any) -> None:
        with self.world.changed:
            try:
                self._run_jobs.deploy(job_definition(**definition))
            except RpcError as error:
                name = definition["name"]
                raise StarlakeError(f"the job {name} cannot be deployed", cause=error.message) from error
