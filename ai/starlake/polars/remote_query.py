"""Run one lazy frame on a compute context, and fetch all of its rows."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ai.starlake.common.errors import StarlakeError
from ai.starlake.polars.cloud_context import CloudContext
from ai.starlake.polars.frames import lazy_frame, local_files, require_lossless, row_count, sink

if TYPE_CHECKING:
    import polars as pl

logger = logging.getLogger(__name__)

_POLL = 0.5
_LONGEST_LABEL = 32
"""Maximum bytes of a label of a query."""
_PATIENCE = 60.0
"""Seconds for which the status of a query may be unknown."""


class RemoteQuery:
    """One lazy frame on a compute context.

    `execute` returns the result from a `ComputeContext`: `collect` works on clusters of one's own only. It writes the
    rows to the temporary storage of the workspace, `sink_parquet` writes them to a folder of one's own; they are read
    from there.

    Args:
        context: A started context.
        task: The name of the task.
        check: Raises an error if the run has to end.
    """

    def __init__(self, context: CloudContext, task: str, check: Callable[[], None]) -> None:
        self._context = context
        self._task = task
        self._check = check

    def write(self, rows: Any, machines: Any, folder: Path) -> None:
        """Run the query, and write its rows to a Parquet file.

        Args:
            rows: The lazy frame.
            machines: The `polars_cloud.ComputeContext`.
            folder: The folder to write into.

        Raises:
            StarlakeError: If the query cannot be sent or fails, or if rows are missing in the result.
        """
        frame = lazy_frame(rows, self._task, "polars-cloud")
        result = self._result(frame, self._submitted(frame, machines))
        query_id = str(result.finished_task_info.id)
        file = folder / "rows.parquet"
        fix = (
            f"let this machine read {', '.join(result.location or ['it'])}, or set results in the section polars of "
            "the compute profile to a folder that it and the machines may use"
        )
        with self._explained("the rows cannot be read from where Polars Cloud wrote them", query_id, fix):
            if result.n_rows_total == 0 and not result.location:
                frame.collect_schema().to_frame().write_parquet(file)
                return
            found = result.lazy()
            require_lossless(found.collect_schema(), self._task)
            sink(found, file, self._check)
            self._require_all(result.n_rows_total, row_count(folder))
        self._forget(result)

    def _submitted(self, frame: pl.LazyFrame, machines: Any) -> Any:
        results = self._context.client.profile.results
        try:
            require_lossless(frame.collect_schema(), self._task)
        except StarlakeError:
            raise
        except Exception as error:  # noqa: BLE001  it may have more permissions than this machine
            why = self._context.client.redactor.mask(str(error))
            logger.debug("the columns of %s are not known yet: %s", self._task, why)
        label = self._task.encode()[-_LONGEST_LABEL:].decode(errors="ignore").strip()
        with self._explained(f"the lazy frame of the Python task {self._task} cannot be sent to Polars Cloud"):
            remote = frame.remote(machines).labels([label])
            if results is None:
                return remote.execute(blocking=False)
            return remote.sink_parquet(f"{results.rstrip('/')}/{self._context.name}/{uuid4()}/")

    def _result(self, frame: pl.LazyFrame, query: Any) -> Any:
        failed = f"the query of the Python task {self._task} failed on Polars Cloud"
        with self._explained(failed):
            self._wait(query)
            result = query.await_result(raise_on_failure=False)
        if result.status.name != "SUCCESS":
            files = local_files(frame)
            fix = (
                f"let it read object stores, or frames in memory: the machines cannot read {files[0]}"
                if files
                else None
            )
            with self._explained(failed, str(result.finished_task_info.id), fix):
                result.raise_err()
                raise RuntimeError(f"it ended in the state {result.status.name}")
        return result

    def _wait(self, query: Any) -> None:
        answered = time.monotonic()
        while True:
            self._check()
            try:
                if query.get_status().is_done():
                    return
                answered = time.monotonic()
            except Exception as error:
                if self._context.is_over:
                    raise RuntimeError(f"the compute context {self._context.name} has ended meanwhile") from error
                if time.monotonic() - answered > _PATIENCE:
                    raise
            time.sleep(_POLL)

    @staticmethod
    def _require_all(expected: int | None, found: int) -> None:
        if expected is not None and expected != found:
            raise RuntimeError(f"{expected} rows were made, and {found} came back")

    def _forget(self, result: Any) -> None:
        """Delete rows in the temporary storage if the workspace allows it; its owner deletes them otherwise."""
        if self._context.client.profile.results is None:
            with contextlib.suppress(Exception):
                result.delete()

    @contextmanager
    def _explained(self, culprit: str, query_id: str | None = None, fix: str | None = None) -> Iterator[None]:
        """Convert errors to ours, with the URL of the query or of the context; secrets masked."""
        try:
            yield
        except StarlakeError:
            raise
        except Exception as error:  # noqa: BLE001  Polars and Polars Cloud raise many kinds
            page = self._context.link("queries", query_id) if query_id else self._context.link()
            cause = self._context.client.redactor.mask(f"{type(error).__name__}: {error}")
            raise StarlakeError(culprit, cause=f"{cause}\n{page}", fix=fix) from None
