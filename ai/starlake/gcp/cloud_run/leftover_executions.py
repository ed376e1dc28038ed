"""Finds executions of Cloud Run that runs left behind."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.cloud_run.cloud_run_job import CloudRunJob
from ai.starlake.gcp.cloud_run.execution_state import is_over, short, state_of
from ai.starlake.gcp.cloud_run.markers import Marker
from ai.starlake.gcp.reap import Leftover

_ALL_JOBS = "-"


def leftover_executions(clients: GcpClients, calls: Calls) -> Iterator[Leftover]:
    """The executions of a project and region that runs started and that are not over.

    Raises:
        GcpCallError: If Cloud Run does not say.
    """
    owner = CloudRunJob(clients, calls, _ALL_JOBS)
    for execution in owner.find(lambda _: True):
        marker = Marker.found_in(execution)
        if marker is None or is_over(execution):
            continue
        yield Leftover(
            kind="execution",
            name=short(execution.name),
            region=clients.region,
            run_id=marker.root_run_id,
            job_name=f"step {marker.step_key}",
            state=state_of(execution),
            created=execution.create_time,
            remove=partial(owner.order_end, execution.name),
        )
