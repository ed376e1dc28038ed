"""The table of all methods: what gRPC and REST call them, and what answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.cloud import dataproc_v1 as dataproc
from google.cloud import run_v2 as run
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from starlake_gcp_emulator.cloud_run.executions import Executions
from starlake_gcp_emulator.cloud_run.run_jobs import RunJobs
from starlake_gcp_emulator.dataproc.clusters import Clusters
from starlake_gcp_emulator.dataproc.spark_jobs import SparkJobs
from starlake_gcp_emulator.state.operations import Operations

_CLUSTERS = "google.cloud.dataproc.v1.ClusterController"
_JOBS = "google.cloud.dataproc.v1.JobController"
_RUN_JOBS = "google.cloud.run.v2.Jobs"
_EXECUTIONS = "google.cloud.run.v2.Executions"
_OPERATIONS = "google.longrunning.Operations"

_REGION = "/v1/projects/{project_id}/regions/{region}"
_RUN_JOB = "/v2/{name=projects/*/locations/*/jobs/*}"
_EXECUTION = "/v2/{name=projects/*/locations/*/jobs/*/executions/*}"
_OPERATION = ("/v1/{name=projects/*/regions/*/operations/*}", "/v2/{name=projects/*/locations/*/operations/*}")


@dataclass(frozen=True)
class Route:
    """A way to a method over REST, as ``google.api.http`` describes it.

    Args:
        verb: The method of HTTP.
        template: The path, with the fields that it holds.
        body: The field that the body is; ``*`` for the whole request, empty when there is no body.
    """

    verb: str
    template: str
    body: str = ""


@dataclass(frozen=True)
class Method:
    """A remote procedure.

    Args:
        service: The full name of its service.
        name: Its name.
        request: The type of its request.
        response: The type of its response.
        handler: Function that answers; raises `RpcError`.
        routes: The ways to it over REST.
        waits: True if it must not hold the lock while it answers.
    """

    service: str
    name: str
    request: Any
    response: Any
    handler: Callable[[Any], Any]
    routes: tuple[Route, ...]
    waits: bool = False

    @property
    def full_name(self) -> str:
        """The service and the name."""
        return f"{self.service}.{self.name}"


def all_methods(
    clusters: Clusters, jobs: SparkJobs, run_jobs: RunJobs, executions: Executions, operations: Operations
) -> Mapping[str, Method]:
    """Return the methods of all services, by their full names."""
    methods = [
        *_of_clusters(clusters),
        *_of_jobs(jobs),
        *_of_run_jobs(run_jobs),
        *_of_executions(executions),
        *_of_operations(operations),
    ]
    return {method.full_name: method for method in methods}


def _of_clusters(it: Clusters) -> list[Method]:
    all_, one = f"{_REGION}/clusters", f"{_REGION}/clusters/{{cluster_name}}"

    def method(name: str, request: Any, response: Any, handler: Callable[[Any], Any], route: Route) -> Method:
        return Method(_CLUSTERS, name, request, response, handler, (route,))

    operation = operations_pb2.Operation
    return [
        method("CreateCluster", dataproc.CreateClusterRequest, operation, it.create, Route("POST", all_, "cluster")),
        method("GetCluster", dataproc.GetClusterRequest, dataproc.Cluster, it.get, Route("GET", one)),
        method(
            "ListClusters", dataproc.ListClustersRequest, dataproc.ListClustersResponse, it.listing, Route("GET", all_)
        ),
        method("UpdateCluster", dataproc.UpdateClusterRequest, operation, it.update, Route("PATCH", one, "cluster")),
        method("DeleteCluster", dataproc.DeleteClusterRequest, operation, it.delete, Route("DELETE", one)),
    ]


def _of_jobs(it: SparkJobs) -> list[Method]:
    all_, one = f"{_REGION}/jobs", f"{_REGION}/jobs/{{job_id}}"

    def method(name: str, request: Any, response: Any, handler: Callable[[Any], Any], route: Route) -> Method:
        return Method(_JOBS, name, request, response, handler, (route,))

    return [
        method("SubmitJob", dataproc.SubmitJobRequest, dataproc.Job, it.submit, Route("POST", f"{all_}:submit", "*")),
        method("GetJob", dataproc.GetJobRequest, dataproc.Job, it.get, Route("GET", one)),
        method("ListJobs", dataproc.ListJobsRequest, dataproc.ListJobsResponse, it.listing, Route("GET", all_)),
        method("UpdateJob", dataproc.UpdateJobRequest, dataproc.Job, it.update, Route("PATCH", one, "job")),
        method("CancelJob", dataproc.CancelJobRequest, dataproc.Job, it.cancel, Route("POST", f"{one}:cancel", "*")),
        method("DeleteJob", dataproc.DeleteJobRequest, empty_pb2.Empty, it.delete, Route("DELETE", one)),
    ]


def _of_run_jobs(it: RunJobs) -> list[Method]:
    parent = "/v2/{parent=projects/*/locations/*}/jobs"

    def method(name: str, request: Any, response: Any, handler: Callable[[Any], Any], route: Route) -> Method:
        return Method(_RUN_JOBS, name, request, response, handler, (route,))

    operation = operations_pb2.Operation
    patched = Route("PATCH", "/v2/{job.name=projects/*/locations/*/jobs/*}", "job")
    return [
        method("CreateJob", run.CreateJobRequest, operation, it.create, Route("POST", parent, "job")),
        method("GetJob", run.GetJobRequest, run.Job, it.get, Route("GET", _RUN_JOB)),
        method("ListJobs", run.ListJobsRequest, run.ListJobsResponse, it.listing, Route("GET", parent)),
        method("UpdateJob", run.UpdateJobRequest, operation, it.update, patched),
        method("DeleteJob", run.DeleteJobRequest, operation, it.delete, Route("DELETE", _RUN_JOB)),
        method("RunJob", run.RunJobRequest, operation, it.execute, Route("POST", f"{_RUN_JOB}:run", "*")),
    ]


def _of_executions(it: Executions) -> list[Method]:
    parent = "/v2/{parent=projects/*/locations/*/jobs/*}/executions"

    def method(name: str, request: Any, response: Any, handler: Callable[[Any], Any], route: Route) -> Method:
        return Method(_EXECUTIONS, name, request, response, handler, (route,))

    operation, cancelling = operations_pb2.Operation, Route("POST", f"{_EXECUTION}:cancel", "*")
    return [
        method("GetExecution", run.GetExecutionRequest, run.Execution, it.get, Route("GET", _EXECUTION)),
        method(
            "ListExecutions", run.ListExecutionsRequest, run.ListExecutionsResponse, it.listing, Route("GET", parent)
        ),
        method("CancelExecution", run.CancelExecutionRequest, operation, it.cancel, cancelling),
        method("DeleteExecution", run.DeleteExecutionRequest, operation, it.delete, Route("DELETE", _EXECUTION)),
    ]


def _of_operations(it: Operations) -> list[Method]:
    def method(
        name: str, request: Any, response: Any, handler: Callable[[Any], Any], *routes: Route, waits: bool = False
    ) -> Method:
        return Method(_OPERATIONS, name, request, response, handler, routes, waits)

    types, empty = operations_pb2, empty_pb2.Empty
    lists = ("/v1/{name=projects/*/regions/*/operations}", "/v2/{name=projects/*/locations/*}/operations")
    gets, deletes = (tuple(Route(verb, path) for path in _OPERATION) for verb in ("GET", "DELETE"))
    listing = [Route("GET", path) for path in lists]
    cancels = [Route("POST", f"{path}:cancel") for path in _OPERATION]
    waiting = Route("POST", f"{_OPERATION[1]}:wait", "*")
    return [
        method("GetOperation", types.GetOperationRequest, types.Operation, it.get, *gets),
        method("ListOperations", types.ListOperationsRequest, types.ListOperationsResponse, it.listing, *listing),
        method("WaitOperation", types.WaitOperationRequest, types.Operation, it.wait, waiting, waits=True),
        method("CancelOperation", types.CancelOperationRequest, empty, it.cancel, *cancels),
        method("DeleteOperation", types.DeleteOperationRequest, empty, it.delete, *deletes),
    ]
