"""``engine: polars``: the lazy frame of a task runs in this process."""

from __future__ import annotations

from ai.starlake.common.errors import StarlakeError
from ai.starlake.common.extras import require_package
from ai.starlake.common.lazy_frames import LazyQuery, LazySession
from ai.starlake.polars.frames import lazy_frame, require_lossless, sink


class LocalPolars:
    """Runs lazy frames on the streaming engine of Polars, so that memory stays bounded.

    Args:
        session: The command.
    """

    def __init__(self, session: LazySession) -> None:
        require_package("polars", "engine: polars", "polars")
        self._session = session

    def write(self, query: LazyQuery) -> None:
        """Run a lazy frame, and write its rows into the folder of the query.

        Raises:
            StarlakeError: If it is not a lazy frame, or if it fails.
        """
        frame = lazy_frame(query.frame, query.task, "polars")
        try:
            require_lossless(frame.collect_schema(), query.task)
            sink(frame, query.folder / "rows.parquet", self._session.check)
        except StarlakeError:
            raise
        except Exception as error:
            raise StarlakeError(
                f"the lazy frame of the Python task {query.task} failed", cause=f"{type(error).__name__}: {error}"
            ) from error

    def close(self) -> None:
        """Do nothing: a running query ends with its call."""
