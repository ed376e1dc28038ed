"""Events of tables for notifications: failures, rejected rows, failed checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from dagster import DagsterEventType

from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.steps.earlier_attempts import KEPT_FROM
from ai.starlake.dagster.assets.steps.materializing import AssetBody
from ai.starlake.dagster.assets.steps.step_progress import FAILED
from ai.starlake.dagster.ops import body_of
from ai.starlake.dagster.run_options import steps_of

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterRun, SensorEvaluationContext

    from ai.starlake.dagster._compat import LogRecord

EventKind = Literal["table_failed", "rows_rejected", "check_failed"]
_WORK = frozenset({"load", "transform"})
_OURS = "starlake/"


@dataclass(frozen=True)
class TableEvent:
    """An event of a table, or of the table of a task.

    Attributes:
        kind: ``table_failed``, ``rows_rejected`` or ``check_failed``.
        table: Its Starlake name, such as ``shop.orders``.
        run_id: The run.
        partition: The partition of the run; None if it has none.
        message: Description of the event.
        time: Time of the event, UTC.
        rows_read: Rows that the load read, if known.
        rows_rejected: Rows that the load rejected, if known.
        check: The name of the check that failed.
        severity: Its severity, ``WARN`` or ``ERROR``.
        count: Rows that the check found, if it counts rows.
        links: URLs by name: ``log`` for the log of the command, if there is one.
        metadata: Further recorded metadata.
    """

    kind: EventKind
    table: str
    run_id: str
    message: str
    time: datetime
    partition: str | None = None
    rows_read: int | None = None
    rows_rejected: int | None = None
    check: str | None = None
    severity: str | None = None
    count: int | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(repr=False, default_factory=dict)


class EventReader:
    """Finds the events of one kind in the logs of runs.

    Args:
        kind: The kind.
        context: The context of the sensor, with the assets of its code location.
        names: The Starlake names of the watched tables; None for all.
    """

    def __init__(self, kind: EventKind, context: SensorEvaluationContext, names: frozenset[str] | None) -> None:
        self._kind = kind
        self._context = context
        self._names = names
        assets = _compat.metadata_of_assets(context).items()
        self._tables = {key: name for key, metadata in assets if (name := _text(metadata, "starlake/name"))}
        self._location = _compat.code_location_of_tick(context)

    def is_ours(self, run: DagsterRun) -> bool:
        """Return True if a run belongs to the code location of the sensor, as far as that is known."""
        location = _compat.code_location_of(run)
        return not location or not self._location or location == self._location

    def events(self, run: DagsterRun, record: LogRecord) -> Iterator[TableEvent]:
        """Yield the events of a record; a step with several tables may have several."""
        kind = record.event.event_type
        if kind is DagsterEventType.STEP_FAILURE:
            found = self._failure(run, record)
        elif kind is DagsterEventType.ASSET_CHECK_EVALUATION:
            found = self._check(run, record)
        else:
            found = self._materialization(run, record)
        yield from (event for event in found if self._names is None or event.table in self._names)

    def _failure(self, run: DagsterRun, record: LogRecord) -> Iterator[TableEvent]:
        failure = _compat.failure_of(record.event)
        metadata = _plain(failure.metadata)
        message = failure.description or failure.root_message
        told = metadata.pop(FAILED, None)
        named = told if isinstance(told, dict) else dict.fromkeys(self._tables_of_step(run, record), message)
        if self._kind == "table_failed":
            for table, text in named.items():
                yield self._event(run, record, table, str(text) or message, metadata)
        elif self._kind == "rows_rejected" and metadata.get("starlake/rows_rejected"):
            for table in named:
                yield self._event(run, record, table, message, metadata)

    def _materialization(self, run: DagsterRun, record: LogRecord) -> Iterator[TableEvent]:
        made = _compat.materialization_of(record.event)
        metadata = _plain(made.metadata)
        if KEPT_FROM in metadata:  # of another run, which reported it
            return
        table = self._table(made.asset_key, metadata)
        rejected = metadata.get("starlake/rows_rejected")
        if self._kind == "rows_rejected" and table and rejected:
            message = f"{table}: {rejected} of {metadata.get('starlake/rows_read')} rows are rejected"
            yield self._event(run, record, table, message, metadata, partition=made.partition)

    def _check(self, run: DagsterRun, record: LogRecord) -> Iterator[TableEvent]:
        result = _compat.check_of_event(record.event)
        metadata = _plain(result.metadata)
        if KEPT_FROM in metadata:
            return
        table = self._table(result.asset_key, metadata)
        if self._kind == "check_failed" and table and not result.passed and "starlake/unknown" not in metadata:
            message = f"{table}: the check {result.name} failed"
            if result.description:
                message += f": {result.description}"
            yield self._event(
                run,
                record,
                table,
                message,
                metadata,
                partition=result.partition,
                check=result.name,
                severity=result.severity,
            )

    def _event(
        self,
        run: DagsterRun,
        record: LogRecord,
        table: str,
        message: str,
        metadata: Mapping[str, Any],
        *,
        partition: str | None = None,
        check: str | None = None,
        severity: str | None = None,
    ) -> TableEvent:
        log = _text(metadata, "starlake/log")
        return TableEvent(
            kind=self._kind,
            table=table,
            run_id=run.run_id,
            message=message,
            time=datetime.fromtimestamp(record.at, timezone.utc),
            partition=partition or run.tags.get(_compat.PARTITION_TAG),
            rows_read=_number(metadata, "starlake/rows_read"),
            rows_rejected=_number(metadata, "starlake/rows_rejected"),
            check=check,
            severity=severity,
            count=_number(metadata, "starlake/count"),
            links={"log": log} if log else {},
            metadata=metadata,
        )

    def _table(self, key: AssetKey, metadata: Mapping[str, Any]) -> str | None:
        """Return the Starlake name of an asset; None for one that is not Starlake's."""
        if key in self._tables:
            return self._tables[key]
        is_ours = any(name.startswith(_OURS) for name in metadata)
        return ".".join(key.path[-2:]) if is_ours else None

    def _tables_of_step(self, run: DagsterRun, record: LogRecord) -> list[str]:
        """Return the tables of a step that failed without naming one, as when its process was killed."""
        repository = self._context.repository_def
        if repository is None or not repository.has_job(run.job_name):
            return []
        steps = {".".join(path): definition for path, definition in steps_of(repository.get_job(run.job_name))}
        body = body_of(steps.get(str(record.event.step_key)))
        if isinstance(body, AssetBody):
            made = _compat.materialized_by(self._context.instance, run.run_id)
            chosen = run.asset_selection or {body.build.key(item) for item in body.items}
            left = ((item, body.build.key(item)) for item in body.items)
            return [item.full_name for item, key in left if key in chosen and key not in made]
        return [body.subject] if body and body.subject and body.verb in _WORK else []


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of metadata as Python objects."""
    return {name: getattr(value, "value", value) for name, value in metadata.items()}


def _text(metadata: Mapping[str, Any], name: str) -> str | None:
    value = metadata.get(name)
    text = getattr(value, "value", value)
    return text if isinstance(text, str) else None


def _number(metadata: Mapping[str, Any], name: str) -> int | None:
    value = metadata.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
