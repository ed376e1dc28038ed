"""The emulator's record of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from google.cloud import dataproc_v1 as dataproc

from starlake_gcp_emulator.dataproc.cluster_checks import lifetimes
from starlake_gcp_emulator.errors import invalid
from starlake_gcp_emulator.state.filters import selected
from starlake_gcp_emulator.state.messages import as_dict, copy
from starlake_gcp_emulator.state.operations import Operation
from starlake_gcp_emulator.state.world import moment_of
from starlake_gcp_emulator.views import ClusterView, DeletedBy

State = dataproc.ClusterStatus.State
_ACTIVE = {State.CREATING, State.UPDATING, State.RUNNING}
_WORKING = {State.RUNNING, State.UPDATING}


@dataclass
class ClusterRecord:
    """A cluster, and what its resource does not tell.

    Args:
        message: The resource.
        region: Its region.
        created: Time of the request for its creation, by the clock.
        operation: Its creation.
        jobs: For each job that is active on it, what ends the job when the cluster goes.
        idle_since: Since when it has nothing to do, by the clock; None before it runs.
        deleted_by: Cause of its deletion.
        gone: True if the deletion is complete.
    """

    message: dataproc.Cluster
    region: str
    created: float
    operation: Operation | None = None
    jobs: dict[str, Callable[[], None]] = field(default_factory=dict)
    idle_since: float | None = None
    deleted_by: DeletedBy | None = None
    gone: bool = False

    @property
    def state(self) -> dataproc.ClusterStatus.State:
        """Current state."""
        return State(self.message.status.state)

    @property
    def takes_jobs(self) -> bool:
        """True if jobs may be submitted to it."""
        return self.state in _WORKING

    @property
    def key(self) -> tuple[str, str, str]:
        """Key that is unique among existing clusters."""
        return self.message.project_id, self.region, self.message.cluster_name

    def view(self) -> ClusterView:
        """Return the cluster for tests."""
        return ClusterView(
            name=self.message.cluster_name,
            project=self.message.project_id,
            region=self.region,
            uuid=self.message.cluster_uuid,
            state="DELETED" if self.gone else self.state.name,
            labels=dict(self.message.labels),
            config=as_dict(self.message.config),
            created=self.created,
            deleted_by=self.deleted_by,
            detail=self.message.status.detail,
        )

    def shown(self) -> dataproc.Cluster:
        """Return the cluster for callers."""
        shown = copy(self.message)
        lifecycle = shown.config.lifecycle_config
        if self.idle_since is not None and not self.jobs and lifecycle.idle_delete_ttl:
            lifecycle.idle_start_time = moment_of(self.idle_since)
        return shown

    def enter(self, state: dataproc.ClusterStatus.State, now: datetime, detail: str = "") -> None:
        """Comes to a state."""
        if self.message.status.state:
            self.message.status_history.append(copy(self.message.status))
        self.message.status = dataproc.ClusterStatus(state=state, detail=detail, state_start_time=now)

    def ends(self) -> list[tuple[float, DeletedBy]]:
        """Return the end of its times to live, as far as they are running, in seconds since the epoch.

        The idle time begins when the cluster runs and no job is active; the age counts from the request.
        """
        idle, age, moment = lifetimes(self.message.config.lifecycle_config)
        ends: list[tuple[float, DeletedBy]] = []
        if idle is not None and self.idle_since is not None and not self.jobs and self.state == State.RUNNING:
            ends.append((self.idle_since + idle, "idle_ttl"))
        if age is not None:
            ends.append((self.created + age, "auto_ttl"))
        if moment is not None:
            ends.append((moment, "auto_ttl"))
        return ends

    def own_labels(self) -> Mapping[str, str]:
        """Return what the service adds to the labels."""
        return {
            "goog-dataproc-cluster-name": self.message.cluster_name,
            "goog-dataproc-cluster-uuid": self.message.cluster_uuid,
            "goog-dataproc-location": self.region,
        }

    def is_selected(self, text: str) -> bool:
        """Return True if a filter of ListClusters asks for it."""
        fields = {"status.state": self._is_in, "clusterName": self.message.cluster_name.__eq__}
        return selected(text, self.message.labels, fields)

    def _is_in(self, state: str) -> bool:
        if state in {"ACTIVE", "INACTIVE"}:
            return (self.state in _ACTIVE) == (state == "ACTIVE")
        if state not in State.__members__:
            raise invalid(f"Invalid filter: unknown state {state!r}")
        return bool(self.state.name == state)
