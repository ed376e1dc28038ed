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
"""Seconds for which a question is repeated: the log must not keep us from looking at the execution."""
_OVERLAP = timedelta(seconds=60)
"""Entries reach Cloud Logging out of order; those of the last minute are asked for again."""
_STREAMS: dict[str, Stream] = {"stdout": "stdout", "stderr": "stderr"}
"""How the names of the logs end that hold what containers print; others hold what the service says."""
_PAGE = 1000
_TAIL = _PAGE
"""The last lines of a failed command: the first error stands before some hundred stack frames."""
_PAUSE = 3.0


class ExecutionLog:
    """The log of one execution.

    Args:
        clients: Google's clients.
        calls: Makes the calls.
        execution: The execution.
        output: Takes the lines.
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
        """Pass on the lines that arrived since the last time; return how many."""
        since = (self._latest - _OVERLAP).isoformat()
        entries = self._ask(f'{self._filter} AND timestamp>="{since}"', "timestamp asc", most=None)
        return self._pass_on(entries)

    def last_lines(self) -> int:
        """Pass on the last lines; return how many."""
        return self._pass_on(reversed(self._ask(self._filter, "timestamp desc", most=_TAIL)))

    def finish(self, wait: float, take: Callable[[], int]) -> None:
        """Pass on what arrives late.

        Args:
            wait: Seconds to wait for it at most. Two looks without anything new, after there was something, are enough.
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
    """Return the text of an entry; a line that is a JSON object was taken apart by Cloud Run."""
    if entry.text_payload:
        return str(entry.text_payload)
    payload = dict(entry.json_payload or {})
    return str(payload.get("message") or json.dumps(payload, default=str))
