"""The cluster as a resource of the package dagster-gcp. Imported only where that package is installed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from dagster import get_dagster_logger
from dagster_gcp import DataprocResource  # noqa: TID253  this module is imported lazily
from pydantic import Field

from ai.starlake.dagster import _compat
from ai.starlake.dagster.gcp.resource_client import StarlakeDataprocClient
from ai.starlake.dagster.report import DagsterReporter
from ai.starlake.executor.remote.identity import RunIdentity
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.endpoints import GcpEndpoints
from ai.starlake.gcp.dataproc.resource_names import cluster_name

if TYPE_CHECKING:
    from ai.starlake.gcp import StarlakeDataprocClusterConfig
    from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions


class StarlakeDataprocResource(DataprocResource):
    """A `dagster_gcp.DataprocResource` whose client is Google's current one.

    The one of dagster-gcp supports neither request ids, endpoints nor workload identity, and treats a cluster in state
    ERROR as one in creation. Within an op the client uses the cluster of the run.
    """

    one_per_run: bool = Field(description="Give each run its own cluster, named after the run.")
    endpoint: str | None = Field(default=None, description="The address of Dataproc; by default that of the region.")
    impersonate: str | None = Field(default=None, description="The service account on whose behalf it is called.")
    poll_interval: float = Field(default=10, description="Seconds between two polls.")
    create_timeout: float = Field(default=1800, description="Timeout for the creation of a cluster, in seconds.")
    tolerance: float = Field(default=600, description="Seconds for which unanswered calls are repeated.")

    @classmethod
    def of(cls, settings: DataprocOptions, config: StarlakeDataprocClusterConfig) -> StarlakeDataprocResource:
        """Return the resource for the options of a job.

        Args:
            settings: The options.
            config: Configuration of the cluster.
        """
        base = "-".join(filter(None, [config.dataproc_name, config.cluster_id]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # dagster-gcp marks its resource as beta; the user has not chosen it
            return cls._of(base, settings, config)

    @classmethod
    def _of(
        cls, base: str, settings: DataprocOptions, config: StarlakeDataprocClusterConfig
    ) -> StarlakeDataprocResource:
        return cls(
            project_id=config.project_id,
            region=config.region,
            cluster_name=config.cluster_name or base,
            one_per_run=config.cluster_name is None,
            labels=config.labels or None,
            cluster_config_dict=config.__config__(),
            endpoint=settings.dataproc_endpoint,
            impersonate=settings.dataproc_impersonate_service_account,
            poll_interval=settings.poll_interval,
            create_timeout=settings.dataproc_create_timeout,
            tolerance=settings.outage_tolerance,
        )

    def get_client(self) -> StarlakeDataprocClient:
        """Return a client for the cluster: that of the run in an op, elsewhere that of `cluster_name`."""
        run = _current_run()
        named = cluster_name(self.cluster_name, "", run.root_run_id) if run and self.one_per_run else self.cluster_name
        own_labels = run.labels if run else {}
        endpoints = GcpEndpoints(dataproc=self.endpoint, impersonate=self.impersonate)
        config = {
            "projectId": self.project_id,
            "region": self.region,
            "clusterName": named,
            "cluster_config": self._get_cluster_config(),
            "labels": {**(self.labels or {}), **own_labels},
        }
        return StarlakeDataprocClient(
            config,
            GcpClients(endpoints, project=self.project_id, region=self.region),
            Calls(
                DagsterReporter(get_dagster_logger("starlake")), interval=self.poll_interval, tolerance=self.tolerance
            ),
            create_timeout=self.create_timeout,
            job_labels=own_labels,
        )


def _current_run() -> RunIdentity | None:
    """Return the run of the current op; None elsewhere."""
    context = _compat.current_context()
    if context is None:
        return None
    run = context.run
    root = _compat.root_run_of(run) or run.run_id
    return RunIdentity(root, run.run_id, run.job_name, _compat.code_location_of(run))
