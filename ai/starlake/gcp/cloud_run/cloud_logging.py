"""Read the output of an execution from Cloud Logging."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.protocol import Stream
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.cloud_run.executions import short

if TYPE_CHECKING:
    from google.cloud.run_v2 import Execution

_TOLERANCE = 10.0
"""Seconds for which a query is repeated: reading the log must not delay polling the execution."""
_OVERLAP = timedelta(seconds=60)
"""Seconds of entries to read again: entries reach Cloud Logging out of order."""
_STREAMS: dict[str, Stream] = {"stdout": "stdout", "stderr": "stderr"}
"""Suffixes of the names of logs with the output of containers; other logs hold messages of the service."""
_PAGE = 1000
_TAIL = _PAGE
"""Number of last lines of a failed command: some hundred stack frames follow the first error."""
_PAUSE = 3.0


class ExecutionLog:
    """The log of one execution.

    Args:
        clients: Google's clients.
        calls: Makes the calls.
        execution: The execution.
        output: Receives the lines.
    """

    def __init__(self, clients: GcpClients, calls: Calls, execution: Execution, output: CommandOutput) -> None:
        self._clients = clients
        self._calls = calls
        self._output = output
        self._seen: set[str] = set()
        self._latest: datetime = execution.create_time or datetime.now(timezone.utc)
        self._broken = False
        parts = str(execution.name).split("/")
        self._project = parts[1]
        terms = [
            'resource.type="cloud_run_job"',
            f'resource.labels.job_name="{parts[5]}"',
            f'labels."run.googleapis.com/execution_name"="{short(execution.name)}"',
        ]
        self._filter = " AND ".join(terms)

    def advance(self) -> int:
        """Pass on the lines that arrived since the last call; return their number."""
        since = (self._latest - _OVERLAP).isoformat()
        entries = self._ask(f'{self._filter} AND timestamp>="{since}"', "timestamp asc", most=None)
        return self._pass_on(entries)

    def last_lines(self) -> int:
        """Pass on the last lines; return their number."""
        return self._pass_on(reversed(self._ask(self._filter, "timestamp desc", most=_TAIL)))

    def finish(self, wait: float, take: Callable[[], int]) -> None:
        """Pass on lines that arrive late.

        Args:
            wait: Maximum seconds to wait. It ends after two queries without new lines, once there were lines.
            take: `advance` or `last_lines`.
        """
        progress = self._calls.progress("the log", timeout=wait)
        idle = 0
        while not self._broken:
            idle = 0 if take() or not self._seen else idle + 1
            if idle > 1 or progress.elapsed >= wait:
                return
            self._calls.pause(min(_PAUSE, self._calls.interval))

    def _ask(self, text: str, order: str, most: int | None) -> list[Any]:
        if self._broken:
            return []
        request = {
            "resource_names": [f"projects/{self._project}"],
            "filter": text,
            "order_by": order,
            "page_size": most or _PAGE,
        }
        try:
            entries = self._calls.within(_TOLERANCE).listing(
                self._clients.logging.list_log_entries, request, what="read the log", items="entries"
            )
            return [entry for entry, _ in zip(entries, range(most), strict=False)] if most else list(entries)
        except StarlakeError as error:
            if not getattr(error, "transient", False):
                self._broken = True
                self._calls.report.warning(f"the output of the command is not shown here: {error}")
            return []

    def _pass_on(self, entries: Iterable[Any]) -> int:
        fresh = [entry for entry in entries if entry.insert_id not in self._seen]
        for entry in fresh:
            self._seen.add(entry.insert_id)
            self._latest = max(self._latest, entry.timestamp)
            stream = _STREAMS.get(str(entry.log_name)[-6:])
            if stream is not None:
                for line in _text_of(entry).splitlines():
                    self._output.take(stream, line)
        return len(fresh)


def _text_of(entry: Any) -> str:
    """Return the text of an entry; Cloud Run parses a line that is a JSON object."""
    if entry.text_payload:
        return str(entry.text_payload)
    payload = dict(entry.json_payload or {})
    return str(payload.get("message") or json.dumps(payload, default=str))
