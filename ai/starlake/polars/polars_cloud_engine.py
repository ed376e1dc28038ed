"""``engine: polars-cloud``: the lazy frames of a command run on one compute context of Polars Cloud."""

from __future__ import annotations

from typing import Any

from ai.starlake.common.lazy_frames import LazyQuery, LazySession
from ai.starlake.polars.cloud_context import CloudContext
from ai.starlake.polars.frames import lazy_frame
from ai.starlake.polars.polars_cloud_client import PolarsCloudClient
from ai.starlake.polars.remote_query import RemoteQuery


class PolarsCloudEngine:
    """Runs lazy frames on a compute context that starts with the first of them and stops with the command.

    Commands do not share a context: each has machines of its own size, exactly as long as it runs and in whatever
    process, and no other command can stop them.

    Args:
        session: The command.
    """

    def __init__(self, session: LazySession) -> None:
        self._session = session
        client = PolarsCloudClient.of(session.environment)
        self._context = CloudContext(client, session.run_id, tell=session.tell, check=session.check)
        self._machines: Any = None

    def write(self, query: LazyQuery) -> None:
        """Run a lazy frame, and write its rows into the folder of the query.

        Raises:
            StarlakeError: If the context does not start, if the query fails, or if rows are missing.
        """
        lazy_frame(query.frame, query.task, "polars-cloud")  # before costs arise
        if self._machines is None:
            self._machines = self._context.start()
        RemoteQuery(self._context, query.task, self._session.check).write(query.frame, self._machines, query.folder)

    def close(self) -> None:
        """Stop the context, if there is one."""
        self._context.close()
