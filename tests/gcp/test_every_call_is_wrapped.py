"""No call of Google Cloud bypasses the wrappers that decide whether it is repeated: the source is searched for them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from google.cloud.dataproc_v1 import ClusterControllerClient, JobControllerClient
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.run_v2 import ExecutionsClient, JobsClient
from google.cloud.secretmanager_v1 import SecretManagerServiceClient

from ai.starlake.gcp.client.google_errors import PERMISSIONS

LIBRARY = Path(__file__).resolve().parents[2] / "ai" / "starlake"
WRAPPERS = LIBRARY / "gcp" / "client" / "calls.py"
SOURCES = sorted(LIBRARY.glob("gcp/**/*.py"))
ABOVE = sorted(
    [*LIBRARY.glob("dagster/gcp/**/*.py"), LIBRARY / "dagster" / "remote.py", *LIBRARY.glob("dagster/cli/**/*.py")]
)
CLIENTS = (
    ClusterControllerClient,
    JobControllerClient,
    JobsClient,
    ExecutionsClient,
    LoggingServiceV2Client,
    SecretManagerServiceClient,
)
STORAGE = {"list_blobs", "get_blob", "rewrite", "copy_blob", "download_as_bytes", "download_as_text", "blob.delete"}
"""Methods of Cloud Storage's client, which take a policy of retries by name."""


def remote_methods(client) -> set[str]:
    """Return the methods of a client that call the service: those that its transport has too."""
    transport = client.get_transport_class("grpc")
    return {name for name in dir(transport) if not name.startswith("_") and callable(getattr(client, name, None))}


REMOTE = set().union(*map(remote_methods, CLIENTS)) - {"close"}


NAMES = {"client", "clusters", "spark_jobs", "operations", "run_jobs", "executions", "logging"}
"""Names of Google's clients in our code."""


def unwrapped(source: str, *, any_owner: bool = True) -> list[str]:
    """Return the calls that go to a service directly, the waits of operations, and storage calls without a policy.

    Args:
        source: The code.
        any_owner: Whether a name of a remote method counts whatever it is called on; else on what is called as clients.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name = node.func.attr
        owned = f"{ast.unparse(node.func.value)}.{name}"
        stores = name in STORAGE or owned in STORAGE
        is_client = any_owner or ast.unparse(node.func.value).rpartition(".")[2] in NAMES
        if (name in REMOTE and not stores and is_client) or name == "result":
            found.append(owned)
        if stores and "retry" not in {keyword.arg for keyword in node.keywords}:
            found.append(owned)
    return found


def test_the_search_knows_the_methods() -> None:
    assert {
        "run_job",
        "get_execution",
        "cancel_execution",
        "create_cluster",
        "submit_job",
        "list_log_entries",
        "access_secret_version",
    } <= REMOTE
    assert {"wait_operation", "get_operation"} <= REMOTE


@pytest.mark.parametrize(
    "source",
    [
        "clients.run_jobs.run_job(request)",
        "self._clients.executions.get_execution(name=x)",
        "x = [client.list_clusters(r) for r in y]",
        "operation.result()",
        "client.list_blobs('b')",
        "blob.delete()",
    ],
)
def test_the_search_finds_what_bypasses_the_wrappers(source: str) -> None:
    assert unwrapped(source)


@pytest.mark.parametrize("source", ["calls.read(client.get_execution, r, what='x')", "blob.delete(retry=None)"])
def test_the_search_lets_the_wrappers_pass(source: str) -> None:
    assert not unwrapped(source)


def test_no_call_bypasses_the_wrappers() -> None:
    assert WRAPPERS in SOURCES
    found = {str(path.relative_to(LIBRARY)): unwrapped(path.read_text("utf-8")) for path in SOURCES if path != WRAPPERS}
    for path in ABOVE:
        found[str(path.relative_to(LIBRARY))] = unwrapped(path.read_text("utf-8"), any_owner=False)
    assert {path: calls for path, calls in found.items() if calls} == {}


def test_the_permissions_of_every_method_in_use_are_known_and_of_no_other() -> None:
    used = {
        node.attr
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in REMOTE
    }
    clients = {client.__name__ for client in CLIENTS}
    assert used == {method for client, method in PERMISSIONS if client in clients}
