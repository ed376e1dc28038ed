"""The running emulator: its services, its fronts, its processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ai.starlake.common import StarlakeError
from ai.starlake.testing.gcp.clock import Clock
from ai.starlake.testing.gcp.clusters import Clusters
from ai.starlake.testing.gcp.dispatcher import Dispatcher
from ai.starlake.testing.gcp.driver import Drivers
from ai.starlake.testing.gcp.errors import RpcError
from ai.starlake.testing.gcp.executions import Executions
from ai.starlake.testing.gcp.faults import Faults
from ai.starlake.testing.gcp.grpc_front import GrpcFront
from ai.starlake.testing.gcp.journal import Journal
from ai.starlake.testing.gcp.methods import all_methods
from ai.starlake.testing.gcp.operations import Operations
from ai.starlake.testing.gcp.processes import Processes
from ai.starlake.testing.gcp.rest_front import RestFront
from ai.starlake.testing.gcp.run_jobs import RunJobs, job_definition
from ai.starlake.testing.gcp.spark_jobs import SparkJobs
from ai.starlake.testing.gcp.storage import StorageServer
from ai.starlake.testing.gcp.timing import Timing
from ai.starlake.testing.gcp.views import ClusterView, ExecutionView, SparkJobView
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
    ) -> None:
        self.storage = StorageServer()
        self.world = World(clock, timing, speed)
        self.journal = Journal()
        self._processes = Processes(grace)
        operations = Operations(self.world)
        self._clusters = Clusters(self.world, operations)
        drivers = Drivers(command, main_class, self._processes, self.storage)
        self._jobs = SparkJobs(self.world, self._clusters, drivers)
        self._executions = Executions(self.world, operations, self._processes)
        self._run_jobs = RunJobs(self.world, operations, self._executions, command)
        self._methods = all_methods(self._clusters, self._jobs, self._run_jobs, self._executions, operations)
        self.faults = Faults(self._methods)
        self._fronts: list[GrpcFront | RestFront] = []
        self.port = self.rest_port = 0

    def listen(self, port: int, rest_port: int) -> None:
        """Opens the fronts."""
        dispatcher = Dispatcher(self.world, self.journal, self.faults)
        front = GrpcFront(self._methods.values(), dispatcher, port)
        self._fronts.append(front)
        rest = RestFront(self._methods.values(), dispatcher, rest_port)
        self._fronts.append(rest)
        self.port, self.rest_port = front.port, rest.port

    def stop(self) -> None:
        """Ends all processes and servers."""
        for front in self._fronts:
            front.stop()
        self.world.scheduler.stop()
        self._processes.stop()
        self.storage.stop()

    def clear_faults(self) -> None:
        """Forgets what was ordered to go wrong."""
        self.faults.clear()
        with self.world.changed:
            self._clusters.failures.clear()

    def fail_clusters(self, details: list[str]) -> None:
        """Lets the next creations of clusters fail."""
        with self.world.changed:
            self._clusters.failures.extend(details)

    def add_job(
        self,
        name: str,
        *,
        image: str,
        command: Sequence[str],
        args: Sequence[str],
        env: Mapping[str, str] | None,
        timeout: float,
        max_retries: int,
        tasks: int,
        parallelism: int,
    ) -> None:
        """Deploys a Cloud Run job."""
        definition = job_definition(
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
        with self.world.changed:
            try:
                self._run_jobs.deploy(definition)
            except RpcError as error:
                raise StarlakeError(f"the job {name} cannot be deployed", cause=error.message) from error

    def cluster_views(self) -> list[ClusterView]:
        """Every cluster that ever was."""
        with self.world.changed:
            return [record.view() for record in self._clusters.records]

    def job_views(self) -> list[SparkJobView]:
        """Every Spark job that was submitted."""
        with self.world.changed:
            return [record.view() for record in self._jobs.records]

    def execution_views(self) -> list[ExecutionView]:
        """Every execution."""
        with self.world.changed:
            return [record.view() for record in self._executions.records]
