"""Dataproc's service ``ClusterController``."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from google.cloud import dataproc_v1 as dataproc
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from starlake_gcp_emulator.dataproc.cluster_checks import check_config, check_update
from starlake_gcp_emulator.dataproc.cluster_record import ClusterRecord, State
from starlake_gcp_emulator.errors import Code, RpcError, invalid, not_found, refused
from starlake_gcp_emulator.state import checks
from starlake_gcp_emulator.state.filters import terms
from starlake_gcp_emulator.state.messages import copy, plain
from starlake_gcp_emulator.state.operations import Operation, Operations
from starlake_gcp_emulator.state.pages import page
from starlake_gcp_emulator.state.world import World
from starlake_gcp_emulator.views import DeletedBy

_DEFAULT_IMAGE = "2.2-debian12"


class Clusters:
    """The clusters of all projects and regions.

    Args:
        world: The shared state.
        operations: Store of long-running operations.

    Attributes:
        records: Every cluster that ever was.
        failures: For what the next creations end in a cluster that is in ERROR, one text each.
    """

    def __init__(self, world: World, operations: Operations) -> None:
        self.records: list[ClusterRecord] = []
        self._world = world
        self._operations = operations
        self._live: dict[tuple[str, str, str], ClusterRecord] = {}
        self._answered: dict[tuple[str, ...], Operation] = {}
        self.failures: list[str] = []
        world.scheduler.regularly(self._sweep)

    def live(self) -> Iterator[ClusterRecord]:
        """Return existing clusters, in the order of their creation."""
        return (record for record in self.records if not record.gone)

    def find(self, project: str, region: str, name: str) -> ClusterRecord:
        """Return a cluster that is not gone.

        Raises:
            RpcError: If there is none.
        """
        record = self._live.get((project, region, name))
        if record is None:
            raise not_found(f"Not found: Cluster projects/{project}/regions/{region}/clusters/{name}")
        return record

    def create(self, request: dataproc.CreateClusterRequest) -> operations_pb2.Operation:
        """CreateCluster."""
        key = ("create", *_place(request), request.request_id)
        if (known := self._repeated(key)) is not None:
            return known
        record = self._new(request)
        if record.key in self._live:
            path = f"projects/{request.project_id}/regions/{request.region}/clusters/{request.cluster.cluster_name}"
            raise RpcError(Code.ALREADY_EXISTS, f"Already exists: Failed to create cluster: Cluster {path}")
        self._live[record.key] = record
        self.records.append(record)
        operation = self._start(record, "CREATE", key)
        record.operation = operation
        failure = self.failures.pop(0) if self.failures else None
        self._world.after(self._world.timing.create_cluster, lambda: self._created(record, operation, failure))
        return operation.message()

    def get(self, request: dataproc.GetClusterRequest) -> dataproc.Cluster:
        """GetCluster."""
        return self.find(*_place(request), request.cluster_name).shown()

    def listing(self, request: dataproc.ListClustersRequest) -> dataproc.ListClustersResponse:
        """ListClusters, with the documented filters."""
        terms(request.filter)  # refused also where there is nothing to list
        place = _place(request)
        ours = [record for record in self.live() if record.key[:2] == place and record.is_selected(request.filter)]
        shown, token = page(ours, request.page_size, request.page_token, most=1000)
        return dataproc.ListClustersResponse(clusters=[one.shown() for one in shown], next_page_token=token)

    def update(self, request: dataproc.UpdateClusterRequest) -> operations_pb2.Operation:
        """UpdateCluster: what the mask names, as far as the service can change it."""
        key = ("update", *_place(request), request.request_id)
        if (known := self._repeated(key)) is not None:
            return known
        record = self.find(*_place(request), request.cluster_name)
        mask = plain(request).update_mask
        check_update(request, list(mask.paths), self._world.clock.now())
        if record.state != State.RUNNING:
            raise refused(f"Cannot update cluster '{request.cluster_name}' in state {record.state.name}")
        operation = self._start(record, "UPDATE", key)
        mask.MergeMessage(
            plain(request.cluster), plain(record.message), replace_message_field=True, replace_repeated_field=True
        )
        if "labels" in mask.paths:
            record.message.labels = {**dict(request.cluster.labels), **record.own_labels()}
        record.enter(State.UPDATING, self._world.now())
        self._world.after(self._world.timing.update_cluster, lambda: self._updated(record, operation))
        return operation.message()

    def delete(self, request: dataproc.DeleteClusterRequest) -> operations_pb2.Operation:
        """DeleteCluster; a uuid that is given must be that of the cluster."""
        key = ("delete", *_place(request), request.request_id)
        if (known := self._repeated(key)) is not None:
            return known
        record = self.find(*_place(request), request.cluster_name)
        if request.cluster_uuid not in ("", record.message.cluster_uuid):
            raise not_found(f"Not found: Cluster {request.cluster_name} with uuid {request.cluster_uuid}")
        if record.state == State.DELETING:
            raise refused(
                f"Cannot delete cluster '{request.cluster_name}' while it has other pending delete operations."
            )
        return self._delete(record, "request", key).message()

    def _repeated(self, key: tuple[str, ...]) -> operations_pb2.Operation | None:
        checks.request_id(key[-1])
        return self._answered[key].message() if key[-1] and key in self._answered else None

    def _new(self, request: dataproc.CreateClusterRequest) -> ClusterRecord:
        project, region = _place(request)
        checks.cluster_name(request.cluster.cluster_name)
        if request.cluster.project_id not in ("", project):
            raise invalid(f"project_id {request.cluster.project_id!r} of the cluster is not {project!r}")
        checks.labels(request.cluster.labels)
        check_config(request.cluster, self._world.clock.now())
        message = copy(request.cluster)
        message.project_id = project
        message.cluster_uuid = str(uuid.uuid4())
        record = ClusterRecord(message, region, self._world.clock.now())
        message.labels.update(record.own_labels())
        config = message.config
        config.config_bucket = config.config_bucket or _staging_bucket(project, region)
        config.software_config.image_version = config.software_config.image_version or _DEFAULT_IMAGE
        record.enter(State.CREATING, self._world.now())
        return record

    def _start(self, record: ClusterRecord, kind: str, key: tuple[str, ...]) -> Operation:
        def metadata() -> dataproc.ClusterOperationMetadata:
            state = dataproc.ClusterOperationStatus.State.DONE if operation.done else "RUNNING"
            return dataproc.ClusterOperationMetadata(
                cluster_name=record.message.cluster_name,
                cluster_uuid=record.message.cluster_uuid,
                status={"state": state},
                operation_type=kind,
                description=f"{kind.capitalize()} cluster",
            )

        operation = self._operations.start(f"projects/{record.key[0]}/regions/{record.region}", metadata)
        if key[-1]:
            self._answered[key] = operation
        return operation

    def _created(self, record: ClusterRecord, operation: Operation, failure: str | None) -> None:
        if record.state != State.CREATING:
            return
        if failure is not None:
            record.enter(State.ERROR, self._world.now(), failure)
            operation.fail(Code.INVALID_ARGUMENT, failure)
            return
        record.enter(State.RUNNING, self._world.now())
        record.idle_since = self._world.clock.now()
        operation.succeed(record.shown())

    def _updated(self, record: ClusterRecord, operation: Operation) -> None:
        if record.state == State.UPDATING:
            record.enter(State.RUNNING, self._world.now())
            operation.succeed(record.shown())
        else:
            operation.fail(Code.ABORTED, f"Cluster {record.message.cluster_name} was deleted meanwhile")

    def _delete(self, record: ClusterRecord, by: DeletedBy, key: tuple[str, ...] = ("",)) -> Operation:
        record.deleted_by = by
        record.enter(State.DELETING, self._world.now())
        if record.operation is not None:
            record.operation.fail(Code.ABORTED, f"Cluster {record.message.cluster_name} was deleted meanwhile")
        for end in list(record.jobs.values()):
            end()
        operation = self._start(record, "DELETE", key)
        self._world.after(self._world.timing.delete_cluster, lambda: self._gone(record, operation))
        return operation

    def _gone(self, record: ClusterRecord, operation: Operation) -> None:
        record.gone = True
        del self._live[record.key]
        operation.succeed(empty_pb2.Empty())

    def _sweep(self) -> float | None:
        """Delete the clusters whose time is over; return the next time at which that of another one is."""
        now = self._world.clock.now()
        due: list[float] = []
        for record in self.live():
            ends = record.ends()
            if record.state == State.DELETING or not ends:
                continue
            moment, by = min(ends)
            if moment <= now:
                self._delete(record, by)
                self._world.touch()
            else:
                due.append(moment)
        return min(due, default=None)


def _staging_bucket(project: str, region: str) -> str:
    """Return the bucket that Dataproc makes and uses when a cluster names none."""
    return f"dataproc-staging-{region}-{uuid.uuid5(uuid.NAMESPACE_DNS, project).hex[:12]}"


def _place(request: Any) -> tuple[str, str]:
    return checks.require("project_id", request.project_id), checks.require("region", request.region)
