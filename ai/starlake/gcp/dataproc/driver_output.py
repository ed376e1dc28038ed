"""Read the output of the driver of a Spark job from Cloud Storage while the job runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.process.lines import LineSplitter
from ai.starlake.executor.remote.remote_backend import RemoteState
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.google_errors import NotFoundError

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job
    from google.cloud.storage import Blob

_CHUNK = 1024 * 1024
_PATIENCE = 15.0
"""Seconds for which reading is repeated; not longer, because the job runs without its output too."""


class DriverOutput:
    """Passes on the output of a driver, piece by piece.

    Dataproc writes it to objects whose names are that of `Job.driver_output_resource_uri` with ``.000000000``,
    ``.000000001`` and so on; the last of them grows. Output that cannot be read is reported once.

    Args:
        clients: The client of Cloud Storage.
        calls: Makes the calls.
        output: Receives the lines.
    """

    def __init__(self, clients: GcpClients, calls: Calls, output: CommandOutput) -> None:
        self._clients = clients
        self._calls = calls.within(min(_PATIENCE, calls.tolerance))
        self._output = output
        self._lines = LineSplitter()
        self._read: dict[str, int] = {}
        self._given_up = False

    def advance(self, state: RemoteState) -> None:
        """Pass on the output since the last call."""
        job: Job = state.native
        bucket, _, path = str(job.driver_output_resource_uri).removeprefix("gs://").partition("/")
        if not path or (self._given_up and not state.is_over):
            return
        try:
            for data in self._news(bucket, path):
                self._take(data)
        except NotFoundError as error:
            if state.is_over:
                self._warn(error)
        except Exception as error:  # noqa: BLE001  the job continues, and only its end matters
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._given_up:
            self._calls.report.warning(f"the output of the driver cannot be read: {error}")
        self._given_up = True

    def finish(self, state: RemoteState) -> None:  # noqa: ARG002  all complete lines were passed on already
        """Pass on the last line, if it has no line break."""
        self._take(b"", final=True)

    def _take(self, data: bytes, *, final: bool = False) -> None:
        for line in self._lines.feed(data, final=final):
            self._output.take("stdout", line)

    def _news(self, bucket: str, path: str) -> Iterator[bytes]:
        for blob in self._blobs(bucket, path):
            size = blob.size or 0
            while (start := self._read.get(blob.name, 0)) < size:
                data = self._piece(blob, start, min(start + _CHUNK, size))
                if not data:
                    return
                self._read[blob.name] = start + len(data)
                yield data

    def _blobs(self, bucket: str, path: str) -> list[Blob]:
        """Return the objects of the output, in order."""

        def listed() -> list[Blob]:
            return list(self._clients.storage.list_blobs(bucket, prefix=f"{path}.", retry=None))

        return sorted(
            self._calls.repeated(listed, what="list the output of the driver"), key=lambda blob: str(blob.name)
        )

    def _piece(self, blob: Blob, start: int, end: int) -> bytes:
        def read() -> bytes:
            return bytes(blob.download_as_bytes(start=start, end=end - 1, retry=None))

        return self._calls.repeated(read, what="read the output of the driver")
