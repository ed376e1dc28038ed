"""Interface of an emulator, in this process or in another one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from starlake_gcp_emulator.faults import When
from starlake_gcp_emulator.journal import Call
from starlake_gcp_emulator.views import ClusterView, ExecutionView, SparkJobView

E = TypeVar("E", bound="Emulator")
IMAGE = "starlake"


@dataclass(frozen=True)
class Endpoints:
    """Addresses of an emulator; each is ``http://127.0.0.1:PORT``.

    Args:
        grpc: All services but Cloud Storage, over gRPC.
        rest: The same over REST.
        storage: Cloud Storage.
    """

    grpc: str
    rest: str
    storage: str


class Emulator(ABC):
    """Dataproc v1, Cloud Run v2, Cloud Logging v2, Secret Manager v1 and Cloud Storage on loopback, for tests."""

    @property
    @abstractmethod
    def endpoints(self) -> Endpoints:
        """Addresses of the emulator.

        Raises:
            StarlakeError: If it does not run.
        """

    @abstractmethod
    def stop(self) -> None:
        """End it, and all processes of its jobs and executions."""

    @abstractmethod
    def _show(self, what: str) -> list[Any]:
        """Return the journal, or the views of a kind of resource."""

    @abstractmethod
    def _do(self, action: str, **arguments: Any) -> None:
        """Do something that only tests can."""

    @abstractmethod
    def _wait(self, condition: Callable[[], Any], timeout: float) -> bool:
        """Wait until a condition holds; say whether it does."""

    @property
    def endpoint(self) -> str:
        """Address of all services for gRPC: ``http://127.0.0.1:PORT``."""
        return self.endpoints.grpc

    @property
    def rest_endpoint(self) -> str:
        """Address of all services for REST: ``http://127.0.0.1:PORT``."""
        return self.endpoints.rest

    @property
    def storage_endpoint(self) -> str:
        """Address of Cloud Storage, as in STORAGE_EMULATOR_HOST."""
        return self.endpoints.storage

    def options(self, service: Literal["dataproc", "cloud_run"] | None = None) -> dict[str, str]:
        """Return the options that lead a Starlake job here.

        Args:
            service: Only those that jobs on this service know; others would warn of the rest.
        """
        of_service = {
            "dataproc": {"dataproc_endpoint": self.endpoint},
            "cloud_run": {"cloud_run_endpoint": self.endpoint, "logging_endpoint": self.endpoint},
        }
        chosen = [options for name, options in of_service.items() if service in (None, name)]
        return {name: value for options in chosen for name, value in options.items()} | {
            "storage_endpoint": self.storage_endpoint
        }

    @property
    def journal(self) -> list[Call]:
        """All calls that arrived, in order."""
        return self._show("journal")

    def calls(self, method: str) -> list[Call]:
        """Return the calls of one method, named alone or with its service: ``RunJob``, ``JobController.GetJob``.

        Args:
            method: Name of the method.
        """
        return [call for call in self.journal if call.is_of(method)]

    @property
    def clusters(self) -> dict[str, ClusterView]:
        """The clusters that are not gone, by name."""
        return {view.name: view for view in self.all_clusters if view.state != "DELETED"}

    @property
    def all_clusters(self) -> list[ClusterView]:
        """Every cluster that ever was, in the order of creation."""
        return self._show("clusters")

    @property
    def spark_jobs(self) -> list[SparkJobView]:
        """Every Spark job that was submitted, in order."""
        return self._show("spark_jobs")

    @property
    def executions(self) -> list[ExecutionView]:
        """Every execution of a Cloud Run job, in order."""
        return self._show("executions")

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
        together: int = 1,
    ) -> None:
        """Orders a fault: calls of a method are answered with an error. Of several faults the first one strikes.

        Args:
            method: The method, named alone or with its service; ``*`` for all.
            code: The status, such as ``UNAVAILABLE``; ``OK`` for an answer that is only late.
            when: ``before`` the side effect, which then does not happen, or ``after`` it: the answer is lost.
            count: Number of calls that fail; None for any number.
            probability: The share of calls that it strikes, of any number of them.
            seed: Makes the choice of those calls repeatable.
            delay: Seconds that the answer takes.
            message: Message for the caller.
            together: Answer so many calls at the same time: each waits for the others.

        Raises:
            StarlakeError: If there is no such method or code.
        """
        self._do(
            "fault",
            method=method,
            code=code,
            when=when,
            count=count,
            probability=probability,
            seed=seed,
            delay=delay,
            message=message,
            together=together,
        )

    def clear_faults(self) -> None:
        """Forgets all faults that were ordered, those of clusters included."""
        self._do("clear_faults")

    def fail_clusters(
        self, count: int = 1, *, detail: str = "Insufficient 'CPUS' quota. Requested 12.0, available 4.0."
    ) -> None:
        """Lets the next creations of clusters fail late: the operation fails, the cluster stays, in state ERROR.

        Args:
            count: Number of lines.
            detail: Message of the service.
        """
        self._do("fail_clusters", count=count, detail=detail)

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
            command: Runs instead of the command of the emulator, like a replaced entry point of the image.
            args: Its arguments, unless a run overrides them.
            env: Its variables, to which those of a run are added.
            timeout: Seconds that an attempt of a task may take.
            max_retries: Number of retries of a failed task.
            tasks: Number of tasks of an execution.
            parallelism: Number of tasks that run at once; 0 for all.

        Raises:
            StarlakeError: If the service would refuse it.
        """
        self._do(
            "add_job",
            name=name,
            image=image,
            command=list(command),
            args=list(args),
            env=dict(env or {}),
            timeout=timeout,
            max_retries=max_retries,
            tasks=tasks,
            parallelism=parallelism,
        )

    def add_bucket(self, name: str) -> None:
        """Make a bucket of Cloud Storage, unless it is there.

        Args:
            name: Name of the bucket.
        """
        self._do("add_bucket", name=name)

    def add_secret(self, name: str, value: str) -> None:
        """Add a version to a secret of Secret Manager.

        Args:
            name: ``projects/P/secrets/S``.
            value: The value of the version.
        """
        self._do("add_secret", name=name, value=value)

    def advance(self, seconds: float) -> None:
        """Move the clock on; clusters whose time to live is over by then are being deleted when this returns.

        Args:
            seconds: Number of seconds to move on; at least 0.
        """
        self._do("advance", seconds=seconds)

    def wait_for(self: E, condition: Callable[[E], Any], timeout: float = 30.0) -> None:
        """Wait until a condition holds; it is checked whenever the state of the emulator changes.

        Args:
            condition: Such as ``lambda gcp: gcp.spark_jobs[0].state == "DONE"``.
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: If it does not hold by then.
        """
        if not self._wait(lambda: condition(self), timeout):
            raise TimeoutError(f"the condition does not hold after {timeout:g} s")
