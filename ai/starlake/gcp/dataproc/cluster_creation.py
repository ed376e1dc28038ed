"""The creation of a Dataproc cluster: one that fails or is interrupted leaves nothing behind."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.executor.remote.progress import Progress, duration
from ai.starlake.gcp.client.google_errors import AlreadyExistsError
from ai.starlake.gcp.dataproc.cluster_api import ClusterApi, state_of
from ai.starlake.gcp.dataproc.resource_names import LABEL_REQUEST

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Cluster, ClusterConfig

USABLE = frozenset({"RUNNING", "UPDATING", "ERROR_DUE_TO_UPDATE"})
"""The states of a cluster that takes jobs."""
ON_THE_WAY = frozenset({"UNKNOWN", "CREATING", "STARTING", "REPAIRING", "DELETING"})
"""The states that pass by themselves."""


class ClusterError(StarlakeError):
    """A cluster cannot be made, used or deleted."""


class ClusterTimeoutError(ClusterError):
    """A cluster did not get ready, or did not go, in time."""

    def __init__(self, name: str, timeout: float) -> None:
        super().__init__(
            f"cluster {name} took longer than {duration(timeout)}",
            fix="raise option dataproc_create_timeout, or check the cluster in Google's console",
        )


class ClusterCreation:
    """Creates clusters.

    Each gets a mark of its own as a label: what a creation leaves is told from what somebody else made by it.

    Args:
        api: The calls of Dataproc.
        timeout: Seconds that a creation may take.
    """

    def __init__(self, api: ClusterApi, *, timeout: float) -> None:
        self._api = api
        self._report = api.calls.report
        self._timeout = timeout

    def make(self, cluster: Cluster) -> Cluster | None:
        """Makes a cluster and waits for it. What fails or is interrupted is cleaned up.

        Args:
            cluster: What it is to be.

        Returns:
            The cluster as it became; None if there is one of its name already.

        Raises:
            ClusterError: If it cannot be made.
            ClusterTimeoutError: If it does not get ready in time.
            GcpCallError: If Dataproc refuses a call.
        """
        name, mark = cluster.cluster_name, str(uuid.uuid4())
        cluster.labels[LABEL_REQUEST] = mark
        operation: str | None = None
        self._report.info(f"creating cluster {name}: {self._api.link(name)}")
        try:
            operation = self._api.create(cluster, mark)
            return self._awaited(name, operation)
        except AlreadyExistsError:
            return None
        except BaseException:
            with interrupts_held():
                self._clean_up(cluster, mark, answered=operation is not None)
            raise

    def progress(self, name: str) -> Progress:
        """Begins to watch a cluster, for as long as a creation may take."""
        return self._api.calls.progress(f"cluster {name}", timeout=self._timeout)

    def late(self, name: str) -> ClusterTimeoutError:
        """What to raise when a cluster takes longer."""
        return ClusterTimeoutError(name, self._timeout)

    def _awaited(self, name: str, operation: str) -> Cluster:
        """Waits for the creation; then looks at the cluster itself, which may have been deleted meanwhile."""
        progress = self.progress(name)
        progress.see("CREATING")
        done, problem = self._api.outcome(operation)
        while not done:
            progress.pause(self.late(name))
            progress.see("CREATING")
            done, problem = self._api.outcome(operation)
        cluster = self._api.get(name)
        if problem or cluster is None or state_of(cluster) == "ERROR":
            detail = cluster.status.detail if cluster else "somebody deleted it meanwhile"
            raise ClusterError(
                f"cluster {name} could not be created",
                cause=problem or detail,
                fix="check the quotas, the network and the service account of the project (docs/gcp.md)",
            )
        progress.see(state_of(cluster))
        return cluster

    def _clean_up(self, wanted: Cluster, mark: str, *, answered: bool) -> None:
        """Deletes what a creation that failed or was interrupted may have left, by the mark that it put on it."""
        hasty, name = self._api.hasty(), wanted.cluster_name
        try:
            cluster = hasty.get(name)
            if cluster is None and not answered:  # the request may be on its way yet
                hasty.calls.sleep(min(1.0, hasty.calls.interval))
                cluster = hasty.get(name)
            if cluster is not None and cluster.labels.get(LABEL_REQUEST) == mark:
                hasty.delete(cluster)
                self._report.info(f"cluster {name}, whose creation did not succeed, is being deleted")
        except StarlakeError as error:
            self._report.warning(leak_warning(name, wanted.config, error))


def leak_warning(name: str, config: ClusterConfig, error: StarlakeError) -> str:
    """What to say when nobody can tell whether a cluster is gone."""
    age = config.lifecycle_config.auto_delete_ttl
    end = f"Google deletes it when it is {age.total_seconds():.0f} s old" if age else "it has no age limit: look for it"
    return f"whether cluster {name} is gone is not known; {end}. {error}"
