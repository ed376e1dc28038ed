"""Life cycle of a Dataproc cluster: created when a run needs it, reused if it is ours, deleted when the run has ended.

Two of the layers that delete clusters are Google's own: each cluster that we create has an idle and an age limit. The
other layers delete the cluster sooner, and never delete a cluster of others.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.interrupts import cleaning_up
from ai.starlake.executor.remote.identity import LABEL_COMPUTE, LABEL_JOB, LABEL_RUN, RunIdentity, label_value
from ai.starlake.executor.remote.progress import Progress, duration
from ai.starlake.executor.remote.remote_backend import Leftover
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.google_errors import AlreadyExistsError, GcpCallError
from ai.starlake.gcp.dataproc.cluster_calls import ClusterCalls, cluster_state
from ai.starlake.gcp.dataproc.cluster_config import StarlakeDataprocClusterConfig
from ai.starlake.gcp.dataproc.resource_names import LABEL_REQUEST, cluster_name, profiled_name

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Cluster, ClusterConfig

_HALTED = frozenset({"STOPPED", "STOPPING"})
_UNSEEN = 6
"""Max "already exists" answers without a visible cluster before giving up."""
USABLE = frozenset({"RUNNING", "UPDATING", "ERROR_DUE_TO_UPDATE"})
"""States of a cluster that accepts jobs."""
ON_THE_WAY = frozenset({"UNKNOWN", "CREATING", "STARTING", "REPAIRING", "DELETING"})
"""Transitional states."""


class ClusterError(StarlakeError):
    """A cluster cannot be created, used or deleted."""


class ClusterTimeoutError(ClusterError):
    """A cluster did not become ready, or was not deleted, in time."""

    def __init__(self, name: str, timeout: float) -> None:
        super().__init__(
            f"cluster {name} took longer than {duration(timeout)}",
            fix="raise option dataproc_create_timeout, or check the cluster in Google's console",
        )


class ClusterCreation:
    """Creates clusters.

    Each gets a unique mark as a label, which distinguishes what a creation leaves from clusters of others.

    Args:
        calls: The calls of Dataproc.
        timeout: Timeout in seconds of a creation.
    """

    def __init__(self, calls: ClusterCalls, *, timeout: float) -> None:
        self._calls = calls
        self._report = calls.calls.report
        self._timeout = timeout

    def make(self, cluster: Cluster) -> Cluster | None:
        """Create a cluster and wait for it; clean up after a failure or an interruption.

        Args:
            cluster: The cluster to create.

        Returns:
            The created cluster; None if one with its name exists.

        Raises:
            ClusterError: If it cannot be created.
            ClusterTimeoutError: If it does not become ready in time.
            GcpCallError: If Dataproc refuses a call.
        """
        name, mark = cluster.cluster_name, str(uuid.uuid4())
        cluster.labels[LABEL_REQUEST] = mark
        operations: list[str] = []
        self._report.info(f"creating cluster {name}: {self._calls.link(name)}")
        try:
            with cleaning_up(partial(self._clean_up, cluster, mark, operations), unless=AlreadyExistsError):
                operations.append(self._calls.create(cluster, mark))
                return self._awaited(name, operations[0])
        except AlreadyExistsError:
            return None

    def progress(self, name: str) -> Progress:
        """Start to watch a cluster, with the timeout of a creation."""
        return self._calls.calls.progress(f"cluster {name}", timeout=self._timeout)

    def late(self, name: str) -> ClusterTimeoutError:
        """Return the error of a cluster that exceeds the timeout."""
        return ClusterTimeoutError(name, self._timeout)

    def _awaited(self, name: str, operation: str) -> Cluster:
        """Wait for the creation; then poll the cluster itself, which may have been deleted since."""
        progress = self.progress(name)
        progress.see("CREATING")
        done, problem = self._calls.outcome(operation)
        while not done:
            progress.pause(self.late(name))
            progress.see("CREATING")
            done, problem = self._calls.outcome(operation)
        cluster = self._calls.get(name)
        if problem or cluster is None or cluster_state(cluster) == "ERROR":
            detail = cluster.status.detail if cluster else "somebody deleted it meanwhile"
            raise ClusterError(
                f"cluster {name} could not be created",
                cause=problem or detail,
                fix="check the quotas, the network and the service account of the project (docs/dataproc.md)",
            )
        progress.see(cluster_state(cluster))
        return cluster

    def _clean_up(self, wanted: Cluster, mark: str, operations: list[str]) -> None:
        """Delete what a failed or interrupted creation may have left, by its mark."""
        hasty, name = self._calls.hasty(), wanted.cluster_name
        try:
            cluster = hasty.get(name)
            if cluster is None and not operations:  # the request may not have arrived yet
                hasty.calls.sleep(min(1.0, hasty.calls.interval))
                cluster = hasty.get(name)
            if cluster is not None and cluster.labels.get(LABEL_REQUEST) == mark:
                hasty.delete(cluster)
                self._report.info(f"cluster {name}, whose creation failed, is being deleted")
        except StarlakeError as error:
            self._report.warning(leak_warning(name, wanted.config, error))


def leak_warning(name: str, config: ClusterConfig, error: StarlakeError) -> str:
    """Return the warning that a cluster may still exist."""
    age = config.lifecycle_config.auto_delete_ttl
    end = f"Google deletes it when it is {age.total_seconds():.0f} s old" if age else "it has no age limit: look for it"
    return f"whether cluster {name} is gone is not known; {end}. {error}"


class DataprocClusters:
    """The clusters of a configuration.

    Args:
        config: The configuration.
        clients: The clients of Dataproc.
        calls: Makes the calls.
        timeout: Timeout in seconds of the creation of a cluster, and of its deletion.
        shapes: True if compute profiles give clusters of one run other shapes.
    """

    def __init__(
        self,
        config: StarlakeDataprocClusterConfig,
        clients: GcpClients,
        calls: Calls,
        *,
        timeout: float = 1800,
        shapes: bool = False,
    ) -> None:
        self._config = config
        self._shapes = shapes
        self._calls = ClusterCalls(clients, calls, config.project_id, config.region)
        self._report = calls.report
        self._creation = ClusterCreation(self._calls, timeout=timeout)

    def name_for(self, run: RunIdentity) -> str:
        """Return the name of a run's cluster: the same in every step, on every day, and in every re-execution.

        A compute profile with a cluster shape has clusters of its own.
        """
        config, profile = self._config, self._profile_of(run)
        if config.cluster_name:
            return profiled_name(config.cluster_name, profile) if profile else config.cluster_name
        parts = filter(None, (config.cluster_id, profile))
        return cluster_name(config.dataproc_name, "-".join(parts), run.root_run_id)

    def get(self, name: str) -> Cluster | None:
        """Return a cluster; None if it does not exist.

        Raises:
            GcpCallError: If Dataproc does not answer.
        """
        return self._calls.get(name)

    def of_run(self, root_run_id: str) -> Iterator[Cluster]:
        """Yield the clusters that were created for a run, whatever their names.

        Raises:
            GcpCallError: If Dataproc does not answer.
        """
        return self._calls.list(f"labels.{LABEL_RUN} = {label_value(root_run_id)}")

    def ensure(self, run: RunIdentity) -> str:
        """Return the name of the cluster of a run, and create the cluster if it is missing; see `ready`.

        Returns:
            Its name.
        """
        return str(self.ready(run).cluster_name)

    def ready(self, run: RunIdentity) -> Cluster:
        """Return the cluster of a run, and create it if it is missing.

        A cluster that is being created is waited for; one that is being deleted is waited for and then created again,
        as is a broken one of the same run.

        Args:
            run: The run.

        Returns:
            A cluster that accepts jobs.

        Raises:
            ClusterError: If it belongs to another run, is stopped, or cannot be created.
            ClusterTimeoutError: If it does not become ready in time.
            GcpCallError: If Dataproc refuses a call.
        """
        name = self.name_for(run)
        progress = self._creation.progress(name)
        replaced, unseen = False, 0
        while True:
            cluster = self.get(name) or self._create(name, run)
            if cluster is not None:
                self._require_fit(cluster, run)
                state = cluster_state(cluster)
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
        """Delete the cluster of a run, if the run created it. A cluster that is gone already is a success.

        A cluster that runs share stays as long as other runs have jobs on it; its idle limit ends it then.

        Args:
            run: The run.
            wait: True to wait until it is gone.

        Returns:
            True if it existed.

        Raises:
            GcpCallError: If Dataproc refuses the call.
            ClusterError: If it could not be deleted.
        """
        name = self.name_for(run)
        main = self.get(name)
        if main is None:
            self._report.info(f"cluster {name} is gone already")
        found = [*([main] if main else []), *self._of_other_profiles(run, self._calls)]
        operations = [(cluster, self._calls.delete(cluster)) for cluster in found if self._may_delete(cluster, run)]
        for cluster, operation in operations if wait else ():
            self._await_end(cluster, operation)
        return bool(operations)

    def _may_delete(self, cluster: Cluster, run: RunIdentity) -> bool:
        name = cluster.cluster_name
        if not is_of(cluster, run):
            self._report.info(f"cluster {name} was not created by this run, and is kept")
            return False
        if self._config.cluster_name and self._calls.serves_others(cluster):
            self._report.info(f"other runs have jobs on cluster {name}: its idle limit will delete it")
            return False
        return True

    def _of_other_profiles(self, run: RunIdentity, calls: ClusterCalls) -> Iterator[Cluster]:
        """Yield the clusters of a run that other compute profiles gave another shape; none if no profile does so."""
        if not self._shapes:
            return
        for cluster in calls.list(f"labels.{LABEL_RUN} = {label_value(run.root_run_id)}"):
            if cluster.cluster_name != self.name_for(run) and cluster_state(cluster) != "DELETING":
                yield cluster

    @staticmethod
    def _profile_of(run: RunIdentity) -> str:
        """Return the name of a run's compute profile, if it gives clusters a shape; empty otherwise."""
        return run.compute.name if run.compute and run.compute.dataproc.sizes else ""

    def left(self, root_run_id: str | None = None) -> Iterator[Leftover]:
        """Yield the clusters that one run, or any run, created and that are not being deleted.

        Raises:
            GcpCallError: If Dataproc does not answer.
        """
        run = "*" if root_run_id is None else label_value(root_run_id)
        return leftover_clusters(self._calls, f"labels.{LABEL_RUN} = {run}")

    def remove(self, cluster: Cluster, *, wait: bool = True) -> None:
        """Delete exactly this cluster, and no newer one with its name.

        Args:
            cluster: The cluster.
            wait: True to wait until it is gone.

        Raises:
            GcpCallError: If Dataproc refuses the call.
            ClusterError: If it could not be deleted.
        """
        operation = self._calls.delete(cluster)
        if wait:
            self._await_end(cluster, operation)

    def discard(self, run: RunIdentity) -> None:
        """Request the deletion of a run's cluster while the run is being cancelled: quickly, and never raise."""
        if self._config.cluster_name:
            return
        hasty = self._calls.hasty()
        name = self.name_for(run)
        try:
            main = hasty.get(name)
            for cluster in (*([main] if main else []), *self._of_other_profiles(run, hasty)):
                name = cluster.cluster_name
                if is_of(cluster, run):
                    hasty.delete(cluster)
                    self._report.info(f"cluster {name} is being deleted, because its run is being cancelled")
        except StarlakeError as error:
            self._report.warning(leak_warning(name, self._config.message, error))

    def _create(self, name: str, run: RunIdentity) -> Cluster | None:
        from google.cloud import dataproc_v1

        profile = self._profile_of(run)
        config = self._config.sized(run.compute.dataproc) if run.compute else self._config
        cluster = dataproc_v1.Cluster(
            project_id=self._config.project_id,
            cluster_name=name,
            config=config.message,
            labels={**self._config.labels, **run.labels, **({LABEL_COMPUTE: profile} if profile else {})},
        )
        return self._creation.make(cluster)

    def _await_end(self, cluster: Cluster, operation: str | None) -> None:
        """Wait until a cluster is gone. Polling errors are ignored because the deletion has already started."""
        name = cluster.cluster_name
        progress = self._creation.progress(name)
        try:
            while (now := self.get(name)) is not None and now.cluster_uuid == cluster.cluster_uuid:
                progress.see(cluster_state(now))
                if operation and cluster_state(now) != "DELETING":
                    self._require_no_problem(name, operation)
                progress.pause(self._creation.late(name))
            self._report.info(f"cluster {name} is gone, after {duration(progress.elapsed)}")
        except ClusterTimeoutError as error:
            self._report.warning(str(error))
        except GcpCallError as error:
            self._report.warning(f"cluster {name} is being deleted, but cannot be polled: {error}")

    def _require_no_problem(self, name: str, operation: str) -> None:
        _, problem = self._calls.outcome(operation)
        if problem:
            raise ClusterError(f"cluster {name} could not be deleted", cause=problem)

    def _require_fit(self, cluster: Cluster, run: RunIdentity) -> None:
        name = cluster.cluster_name
        if not self._config.cluster_name and not is_of(cluster, run):
            raise ClusterError(
                f"cluster {name} belongs to another run or user",
                cause=f"its label {LABEL_RUN} is {cluster.labels.get(LABEL_RUN)!r}, not this run's",
                fix="set option dataproc_cluster_name if runs are to share it, or another dataproc_name",
            )
        if cluster_state(cluster) in _HALTED:
            place = f"--region {self._config.region} --project {self._config.project_id}"
            raise ClusterError(
                f"cluster {name} is {cluster_state(cluster)}",
                cause="it was stopped, possibly on purpose, and is not started automatically",
                fix=f"`gcloud dataproc clusters start {name} {place}`, or name another one",
            )

    def _require_name(self, name: str, unseen: int) -> None:
        """Raise an error if a name stays taken without a visible cluster, for some seconds after a deletion."""
        if unseen < _UNSEEN:
            return
        raise ClusterError(
            f"cluster {name} cannot be created",
            cause=f"Dataproc says that there is one of this name; but there is none in {self._config.region}",
            fix="search the other regions of the project for it; jobs in several regions need a dataproc_name each",
        )

    def _require_replaceable(self, cluster: Cluster, run: RunIdentity, *, replaced: bool) -> None:
        name, detail = cluster.cluster_name, cluster.status.detail
        if replaced or not is_of(cluster, run):
            raise ClusterError(f"cluster {name} is broken", cause=detail or None, fix="delete it, and run again")
        self._report.warning(f"cluster {name} is broken ({detail or 'ERROR'}): it is created again")


def is_of(cluster: Cluster, run: RunIdentity) -> bool:
    """Return True if a cluster was created by a run, or by one that the run re-executes."""
    return bool(cluster.labels.get(LABEL_RUN) == label_value(run.root_run_id))


def leftover_clusters(calls: ClusterCalls, selection: str = f"labels.{LABEL_RUN} = *") -> Iterator[Leftover]:
    """Yield the clusters that runs created and that are not being deleted.

    Args:
        calls: The calls of Dataproc.
        selection: The filter that selects them; by default those of any run.

    Raises:
        GcpCallError: If Dataproc does not answer.
    """
    for cluster in calls.list(selection):
        if cluster_state(cluster) != "DELETING":
            yield Leftover(
                kind="cluster",
                name=cluster.cluster_name,
                region=calls.region,
                run_id=cluster.labels.get(LABEL_RUN, ""),
                job_name=cluster.labels.get(LABEL_JOB, ""),
                state=cluster_state(cluster),
                created=min(status.state_start_time for status in [*cluster.status_history, cluster.status]),
                remove=partial(_delete, calls, cluster),
                is_needed=partial(calls.serves_others, cluster),
            )


def _delete(calls: ClusterCalls, cluster: Cluster) -> bool:
    calls.delete(cluster)
    return True
