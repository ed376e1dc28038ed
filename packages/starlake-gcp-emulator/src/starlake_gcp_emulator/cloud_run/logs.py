"""Cloud Logging's ``ListLogEntries``, for what the tasks of Cloud Run print."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlake_gcp_emulator.errors import Code, RpcError, invalid
from starlake_gcp_emulator.methods import Method, Route
from starlake_gcp_emulator.state.pages import page
from starlake_gcp_emulator.state.world import moment_of

if TYPE_CHECKING:
    from starlake_gcp_emulator.cloud_run.execution_record import ExecutionRecord
    from starlake_gcp_emulator.cloud_run.executions import Executions
    from starlake_gcp_emulator.cloud_run.tasks import LogLine

_SERVICE = "google.logging.v2.LoggingServiceV2"
_PREFIX = "run.googleapis.com/"
_MOST = 1000
_TERM = re.compile(
    r"""\s*(?:AND\s+)?(?P<field>[A-Za-z][\w.]*(?:\."[^"]+")?)\s*(?P<compare>>=|<=|!=|>|<|=)\s*"""
    r"""(?P<value>"[^"]*"|[^\s"()]+)\s*"""
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def methods_of_logging(executions: Executions) -> Mapping[str, Method]:
    """Return the method, by its full name; none when Google's library for Cloud Logging is not installed."""
    try:
        from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse
    except ImportError:
        return {}

    def answer(request: Any) -> Any:
        entries = sorted(_entries(executions, request.filter), key=lambda entry: entry.timestamp)
        if request.order_by.endswith(" desc"):
            entries.reverse()
        shown, token = page(entries, request.page_size, request.page_token, most=_MOST)
        return ListLogEntriesResponse(entries=shown, next_page_token=token)

    routes = (Route("POST", "/v2/entries:list", "*"),)
    method = Method(_SERVICE, "ListLogEntries", ListLogEntriesRequest, ListLogEntriesResponse, answer, routes)
    return {method.full_name: method}


def _entries(executions: Executions, text: str) -> list[Any]:
    terms = _terms(text)
    return [
        _entry(record, number, line)
        for record in executions.records
        for number, line in enumerate(record.log)
        if all(_holds(term, _facts(record, line)) for term in terms)
    ]


def _terms(text: str) -> list[tuple[str, str, str]]:
    """Return the comparisons of a filter, all of which must hold; the emulator knows no other filters."""
    found: list[tuple[str, str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        term = _TERM.match(text, position)
        if not term:
            raise RpcError(Code.UNIMPLEMENTED, f"the emulator compares fields only, joined by AND: {text[position:]!r}")
        found.append((term["field"].replace('"', ""), term["compare"], term["value"].strip('"')))
        position = term.end()
    return found


def _holds(term: tuple[str, str, str], facts: Mapping[str, str]) -> bool:
    field, compare, value = term
    if field == "timestamp":
        return _COMPARE[compare](_moment(facts[field]), _moment(value))
    if field == "severity":
        return True  # Cloud Run gives what a container prints no severity of its own
    return _COMPARE[compare](facts.get(field, ""), value)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))
    except ValueError as error:
        raise invalid(f"Invalid timestamp {text!r}") from error


def _facts(record: ExecutionRecord, line: LogLine) -> dict[str, str]:
    """Return the fields that a filter may name."""
    _, project, _, location, _, job, _, execution = record.message.name.split("/")
    return {
        "logName": f"projects/{project}/logs/run.googleapis.com%2F{line.stream}",
        "resource.type": "cloud_run_job",
        "resource.labels.project_id": project,
        "resource.labels.location": location,
        "resource.labels.job_name": job,
        f"labels.{_PREFIX}execution_name": execution,
        f"labels.{_PREFIX}task_index": str(line.task),
        f"labels.{_PREFIX}task_attempt": str(line.attempt),
        "textPayload": line.text,
        "timestamp": moment_of(line.time).isoformat(),
    }


def _entry(record: ExecutionRecord, number: int, line: LogLine) -> Any:
    from google.cloud.logging_v2.types import LogEntry

    def under(prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): value for name, value in facts.items() if name.startswith(prefix)}

    facts = _facts(record, line)
    return LogEntry(
        log_name=facts["logName"],
        resource={"type": facts["resource.type"], "labels": under("resource.labels.")},
        labels=under("labels."),
        text_payload=line.text,
        timestamp=moment_of(line.time),
        insert_id=f"{record.message.uid}-{number}",
    )
