"""Clients of Google's services live as long as the process."""

from __future__ import annotations

import gc
import weakref

from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.endpoints import GcpEndpoints
from starlake_gcp_emulator import GcpEmulator


def test_a_client_that_nobody_uses_any_more_is_not_collected() -> None:
    """GRPC would close its channel then, in whichever thread the collector runs, and may not return from that."""
    with GcpEmulator() as emulator:
        clients = GcpClients(GcpEndpoints(cloud_run=emulator.endpoint), project="p", region="r")
        client = weakref.ref(clients.run_jobs)
        del clients
        gc.collect()
        assert client() is not None
