"""The life of a Dataproc cluster: made when a run needs it, adopted where it is ours, and gone when the run is over.

Two of the layers that delete clusters are Google's own: each cluster that we make has an idle and an age limit. All
else here is for the cluster to be gone sooner, and never to take away somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.executor.remote.progress import duration
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.google_errors import GcpCallError
from ai.starlake.gcp.dataproc.cluster_api import ClusterApi, state_of
from ai.starlake.gcp.dataproc.cluster_config import StarlakeDataprocClusterConfig
from ai.starlake.gcp.dataproc.cluster_creation import (
    USABLE,
    ClusterCreation,
    ClusterError,
    ClusterTimeoutError,
    leak_warning,
)
from ai.starlake.gcp.dataproc.resource_names import LABEL_RUN, RunIdentity, cluster_name, label_value

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Cluster

_HALTED = frozenset({"STOPPED", "STOPPING"})
_UNSEEN = 6
"""How often a name may be said to be taken although there is no cluster to see."""


class DataprocClusters:
    """The clusters that a configuration describes.

    Args:
        config: What a cluster consists of.
        clients: The clients of Dataproc.
        calls: Makes the calls.
        timeout: Seconds that the creation of a cluster, or its deletion, may take.
    """

    def __init__(
        self,
        config: StarlakeDataprocClusterConfig,
        clients: GcpClients,
        calls: Calls,
        *,
        timeout: float = 1800,
    ) -> None:
        self._config = config
        self._api = ClusterApi(clients, calls, config.project_id, config.region)
        self._report = calls.report
        self._creation = ClusterCreation(self._api, timeout=timeout)

    def name_for(self, run: RunIdentity) -> str:
        """The name of a run's cluster: the same in every step, on every day, and in every re-execution."""
        config = self._config
        return config.cluster_name or cluster_name(config.dataproc_name, config.cluster_id or "", run.root_run_id)

    def get(self, name: str) -> Cluster | None:
        """A cluster; None if there is none of that name.

        Raises:
            GcpCallError: If Dataproc does not say.
        """
        return self._api.get(name)

    def of_run(self, root_run_id: str) -> Iterator[Cluster]:
        """The clusters that were made for a run, whatever they are called.

        Raises:
            GcpCallError: If Dataproc does not say.
        """
        return self._api.list(f"labels.{LABEL_RUN} = {label_value(root_run_id)}")

    def ensure(self, run: RunIdentity) -> Cluster:
        """Finds the cluster of a run, and makes it when there is none.

        One that is being made is waited for; one that is being deleted is waited for and then made anew, as is one of
        the run's own that is broken.

        Args:
            run: The run.

        Returns:
            A cluster that takes jobs.

        Raises:
            ClusterError: If it belongs to another run, is stopped, or cannot be made.
            ClusterTimeoutError: If it does not get ready in time.
            GcpCallError: If Dataproc refuses a call.
        """
        name = self.name_for(run)
        progress = self._creation.progress(name)
        replaced, unseen = False, 0
        while True:
            cluster = self.get(name) or self._create(name, run)
            if cluster is not None:
                self._require_fit(cluster, run)
                state = state_of(cluster)
                if state in USABLE:
                    return cluster
                if state == "ERROR":
                    self._require_replaceable(cluster, run, replaced=replaced)
                    replaced = True
                    self.remove(cluster)
                    continue
                progress.see(state)
            else:
                unseen += 1
                self._require_name(name, unseen)
            progress.pause(self._creation.late(name))

    def delete(self, run: RunIdentity, *, wait: bool = True) -> bool:
        """Deletes the cluster of a run, if the run made it. That it is gone already is success.

        A cluster that runs share stays as long as other runs have jobs on it; its idle limit is its end then.

        Args:
            run: The run.
            wait: Whether to wait until it is gone.

        Returns:
            Whether there was one to delete.

        Raises:
            GcpCallError: If Dataproc refuses.
            ClusterError: If it could not be deleted.
        """
        name = self.name_for(run)
        cluster = self.get(name)
        if cluster is None:
            self._report.info(f"cluster {name} is gone already")
            return False
        if not is_of(cluster, run):
            self._report.info(f"cluster {name} was not made by this run, and stays")
            return False
        if self._config.cluster_name and self._api.serves_others(cluster):
            self._report.info(f"other runs have jobs on cluster {name}: its idle limit is left to delete it")
            return False
        self.remove(cluster, wait=wait)
        return True

    def sweep(self, cluster: Cluster) -> bool:
        """Orders the deletion of a cluster whose run is over, unless jobs of other runs are on it.

        Args:
            cluster: The cluster, whatever its name.

        Returns:
            Whether it was ordered.

        Raises:
            GcpCallError: If Dataproc refuses.
        """
        if self._api.serves_others(cluster):
            return False
        self.remove(cluster, wait=False)
        return True

    def remove(self, cluster: Cluster, *, wait: bool = True) -> None:
        """Deletes this very cluster, and no other one that has come to have its name.

        Args:
            cluster: The cluster.
            wait: Whether to wait until it is gone.

        Raises:
            GcpCallError: If Dataproc refuses.
            ClusterError: If it could not be deleted.
        """
        operation = self._api.delete(cluster)
        if wait:
            self._await_end(cluster, operation)

    def discard(self, run: RunIdentity) -> None:
        """Asks for the deletion of a run's cluster when the run is being cancelled: soon, and never with an error."""
        hasty = self._api.hasty()
        name = self.name_for(run)
        try:
            cluster = hasty.get(name)
            if cluster is not None and is_of(cluster, run) and not self._config.cluster_name:
                hasty.delete(cluster)
                self._report.info(f"cluster {name} is being deleted, for its run is being cancelled")
        except StarlakeError as error:
            self._report.warning(leak_warning(name, self._config.message, error))

    def _create(self, name: str, run: RunIdentity) -> Cluster | None:
        from google.cloud import dataproc_v1

        cluster = dataproc_v1.Cluster(
            project_id=self._config.project_id,
            cluster_name=name,
            config=self._config.message,
            labels={**self._config.labels, **run.labels},
        )
        return self._creation.make(cluster)

    def _await_end(self, cluster: Cluster, operation: str | None) -> None:
        """Waits until a cluster is gone. Its deletion being under way, what keeps us from looking is no failure."""
        name = cluster.cluster_name
        progress = self._creation.progress(name)
        try:
            while (now := self.get(name)) is not None and now.cluster_uuid == cluster.cluster_uuid:
                progress.see(state_of(now))
                if operation and state_of(now) != "DELETING":
                    self._require_no_problem(name, operation)
                progress.pause(self._creation.late(name))
            self._report.info(f"cluster {name} is gone, after {duration(progress.elapsed)}")
        except ClusterTimeoutError as error:
            self._report.warning(str(error))
        except GcpCallError as error:
            self._report.warning(f"cluster {name} is being deleted, but cannot be polled: {error}")

    def _require_no_problem(self, name: str, operation: str) -> None:
        _, problem = self._api.outcome(operation)
        if problem:
            raise ClusterError(f"cluster {name} could not be deleted", cause=problem)

    def _require_fit(self, cluster: Cluster, run: RunIdentity) -> None:
        name = cluster.cluster_name
        if not self._config.cluster_name and not is_of(cluster, run):
            raise ClusterError(
                f"cluster {name} belongs to somebody else",
                cause=f"its label {LABEL_RUN} is {cluster.labels.get(LABEL_RUN)!r}, not this run's",
                fix="set option dataproc_cluster_name if runs are to share it, or another dataproc_name",
            )
        if state_of(cluster) in _HALTED:
            place = f"--region {self._config.region} --project {self._config.project_id}"
            raise ClusterError(
                f"cluster {name} is {state_of(cluster)}",
                cause="somebody stopped it, and may have had a reason to: it is not started from here",
                fix=f"`gcloud dataproc clusters start {name} {place}`, or name another one",
            )

    def _require_name(self, name: str, unseen: int) -> None:
        """For some seconds after a deletion a name may be taken without a cluster to see; not for longer."""
        if unseen < _UNSEEN:
            return
        raise ClusterError(
            f"cluster {name} cannot be created",
            cause=f"Dataproc says that there is one of this name; but there is none in {self._config.region}",
            fix="look for it in the other regions of the project; jobs of several regions need a dataproc_name each",
        )

    def _require_replaceable(self, cluster: Cluster, run: RunIdentity, *, replaced: bool) -> None:
        name, detail = cluster.cluster_name, cluster.status.detail
        if replaced or not is_of(cluster, run):
            raise ClusterError(f"cluster {name} is broken", cause=detail or None, fix="delete it, and run again")
        self._report.warning(f"cluster {name} is broken ({detail or 'ERROR'}): it is made anew")


def is_of(cluster: Cluster, run: RunIdentity) -> bool:
    """Whether a cluster was made by a run, or by one that the run re-executes."""
    return bool(cluster.labels.get(LABEL_RUN) == label_value(run.root_run_id))
