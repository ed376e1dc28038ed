"""The services of the running emulator, and the processes of their jobs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ai.starlake.common import StarlakeError
from starlake_gcp_emulator.clock import Clock
from starlake_gcp_emulator.cloud_run.executions import Executions
from starlake_gcp_emulator.cloud_run.logs import methods_of_logging
from starlake_gcp_emulator.cloud_run.run_jobs import RunJobs, job_definition
from starlake_gcp_emulator.cloud_storage.storage import StorageServer
from starlake_gcp_emulator.dataproc.clusters import Clusters
from starlake_gcp_emulator.dataproc.driver import Drivers
from starlake_gcp_emulator.dataproc.spark_jobs import SparkJobs
from starlake_gcp_emulator.errors import Code, RpcError
from starlake_gcp_emulator.faults import Fault, Faults, When
from starlake_gcp_emulator.journal import Journal
from starlake_gcp_emulator.methods import all_methods
from starlake_gcp_emulator.secrets import methods_of_secrets
from starlake_gcp_emulator.state.operations import Operations
from starlake_gcp_emulator.state.processes import Processes
from starlake_gcp_emulator.state.secret_versions import Secrets
from starlake_gcp_emulator.state.world import World
from starlake_gcp_emulator.timing import Timing


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
        storage_port: int,
    ) -> None:
        self._storage = StorageServer(storage_port)
        self.world = World(clock, timing, speed)
        self.journal = Journal()
        self._processes = Processes(grace)
        operations = Operations(self.world)
        self._clusters = Clusters(self.world, operations)
        drivers = Drivers(command, main_class, self._processes, self._storage, self.world.touch)
        self._jobs = SparkJobs(self.world, self._clusters, drivers)
        self._executions = Executions(self.world, operations, self._processes)
        self._secrets = Secrets()
        self._run_jobs = RunJobs(self.world, operations, self._executions, command, self._secrets)
        methods = all_methods(self._clusters, self._jobs, self._run_jobs, self._executions, operations)
        self.methods = {**methods, **methods_of_logging(self._executions), **methods_of_secrets(self._secrets)}
        self.faults = Faults(self.methods)

    @property
    def storage_endpoint(self) -> str:
        """Address of Cloud Storage."""
        return self._storage.endpoint

    def stop(self) -> None:
        """End all processes, and the server of Cloud Storage."""
        self.world.scheduler.stop()
        self._processes.stop()
        self._storage.stop()

    def show(self, what: str) -> list[Any]:
        """Return the journal, or the views of a kind of resource: clusters, spark_jobs, executions."""
        if what == "journal":
            return self.journal.calls()
        with self.world.changed:
            if what == "clusters":
                return [record.view() for record in self._clusters.records]
            if what == "spark_jobs":
                return [record.view() for record in self._jobs.records]
            return [record.view() for record in self._executions.records]

    def do(self, action: str, arguments: Mapping[str, Any]) -> None:
        """Do one of what `Emulator` offers.

        Raises:
            StarlakeError: If its arguments are wrong.
        """
        actions: dict[str, Callable[..., None]] = {
            "fault": self._fault,
            "clear_faults": self._clear_faults,
            "fail_clusters": self._fail_clusters,
            "add_job": self._add_job,
            "add_bucket": self._storage.create_bucket,
            "add_secret": self._secrets.add,
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
        self.faults.order(Fault(method, Code[code], when, strikes, probability, delay, message, chosen, together))

    def _clear_faults(self) -> None:
        self.faults.clear()
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
