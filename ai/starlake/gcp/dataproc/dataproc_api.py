"""What the calls of all of Dataproc's controllers share: whose they are, and how long they may take."""

from __future__ import annotations

from typing import TypeVar

from ai.starlake.gcp.client.calls import READ_TIMEOUT, WRITE_TIMEOUT, Calls
from ai.starlake.gcp.client.clients import GcpClients

ApiT = TypeVar("ApiT", bound="DataprocApi")

_HASTY_CALL = 5.0
"""Seconds that one answer may take when something is cleaned up and nobody can wait for long."""
_HASTE = 15.0
"""Seconds for which calls are repeated then."""


class DataprocApi:
    """The calls about one project and region.

    Args:
        clients: The clients of Dataproc.
        calls: Makes the calls.
        project: The project.
        region: The region.
        longest: The most seconds that one answer may take.
    """

    def __init__(
        self, clients: GcpClients, calls: Calls, project: str, region: str, *, longest: float = WRITE_TIMEOUT
    ) -> None:
        self.calls = calls
        self._clients = clients
        self._place = {"project_id": project, "region": region}
        self._read, self._write = min(longest, READ_TIMEOUT), min(longest, WRITE_TIMEOUT)

    def hasty(self: ApiT) -> ApiT:
        """The same with less patience, for when something is cleaned up and nobody can wait for long."""
        project, region = self._place.values()
        calls = self.calls.within(max(1.0, min(_HASTE, self.calls.tolerance)))
        return type(self)(self._clients, calls, project, region, longest=_HASTY_CALL)
