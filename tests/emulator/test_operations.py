"""Long-running operations, in the way both services offer them."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.longrunning import operations_pb2 as types

from starlake_gcp_emulator import GcpEmulator


def wait(client: Any, **request: Any) -> types.Operation:
    answer = client.wait_operation(types.WaitOperationRequest(**request))
    return types.Operation.FromString(answer) if isinstance(answer, bytes) else answer  # newer clients do not read it


def test_operations_are_got_listed_waited_for_and_deleted(grpc_api: Any, gcp: GcpEmulator) -> None:
    client = grpc_api.executions
    name = grpc_api.run("say").operation.name
    waited = wait(client, name=name)
    assert waited.done
    assert waited.HasField("response")
    assert client.get_operation(types.GetOperationRequest(name=name)) == waited
    listed = client.list_operations(types.ListOperationsRequest(name="projects/p/locations/europe-west1"))
    assert [one.name for one in listed.operations] == [name]
    client.delete_operation(types.DeleteOperationRequest(name=name))
    with pytest.raises(exceptions.NotFound):
        client.get_operation(types.GetOperationRequest(name=name))


def test_waiting_ends_with_its_timeout(grpc_api: Any, gcp: GcpEmulator) -> None:
    operation = grpc_api.run("hang")
    assert not wait(grpc_api.executions, name=operation.operation.name, timeout={"nanos": 10_000_000}).done


def test_those_of_dataproc_are_listed_below_their_region(grpc_api: Any, gcp: GcpEmulator) -> None:
    operation = grpc_api.create()
    operation.result(timeout=60)
    client = grpc_api.clusters
    listed = client.list_operations(types.ListOperationsRequest(name="projects/p/regions/europe-west1/operations"))
    assert [one.name for one in listed.operations] == [operation.operation.name]
    elsewhere = client.list_operations(types.ListOperationsRequest(name="projects/p/regions/us-east1/operations"))
    assert list(elsewhere.operations) == []
    client.cancel_operation(types.CancelOperationRequest(name=operation.operation.name))
    assert gcp.clusters["c"].state == "RUNNING"
