"""Reactions: sensors that call a function or start a job when a table fails, rejects rows, or fails a check."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from dagster import (
    DefaultSensorStatus,
    JobDefinition,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
)

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.sensors.run_reading import ReadSoFar, RunReading
from ai.starlake.dagster.assets.sensors.table_events import EventKind, EventReader, TableEvent
from ai.starlake.project.assets.starlake_project import StarlakeProject

if TYPE_CHECKING:
    from ai.starlake.dagster._compat import LogRecord

REACTION_TAG = "starlake/reaction"
AnyProject = StarlakeProject | Path | str
_SECONDS = 20
"""Maximum seconds of a tick that handles events."""
_LONGEST_TAG = 500


def on_table_failed(
    action: Any = None,
    *,
    project: AnyProject | None = None,
    name: str | None = None,
    minimum_interval_seconds: int = 30,
    default_status: DefaultSensorStatus = DefaultSensorStatus.STOPPED,
) -> Any:
    """Return a sensor that reacts to each failed load or task; also a decorator.

    Args:
        action: A function that is called with a `TableEvent`, or a job that is started with the event in its tags.
        project: The project, or its folder, whose tables are watched; by default all of the code location.
        name: The name of the sensor; by default that of the action and of the reaction.
        minimum_interval_seconds: Seconds between two ticks.
        default_status: Initial status of the sensor, until somebody switches it.

    Raises:
        StarlakeError: If the action is neither a function nor a job.
    """
    reaction = _Reaction("table_failed", project, name)
    return reaction.sensor_or_decorator(action, minimum_interval_seconds, default_status)


def on_rows_rejected(
    action: Any = None,
    *,
    project: AnyProject | None = None,
    threshold: int = 1,
    name: str | None = None,
    minimum_interval_seconds: int = 30,
    default_status: DefaultSensorStatus = DefaultSensorStatus.STOPPED,
) -> Any:
    """Return a sensor that reacts when a load rejects rows, even if it succeeds; also a decorator.

    Args:
        action: A function that is called with a `TableEvent`, or a job that is started with the event in its tags.
        project: The project, or its folder, whose tables are watched; by default all of the code location.
        threshold: Minimum number of rejects.
        name: The name of the sensor; by default that of the action and of the reaction.
        minimum_interval_seconds: Seconds between two ticks.
        default_status: Initial status of the sensor, until somebody switches it.

    Raises:
        StarlakeError: If the action is neither a function nor a job.
    """
    reaction = _Reaction("rows_rejected", project, name, threshold)
    return reaction.sensor_or_decorator(action, minimum_interval_seconds, default_status)


def on_check_failed(
    action: Any = None,
    *,
    project: AnyProject | None = None,
    threshold: int = 1,
    name: str | None = None,
    minimum_interval_seconds: int = 30,
    default_status: DefaultSensorStatus = DefaultSensorStatus.STOPPED,
) -> Any:
    """Return a sensor that reacts when a check of a table fails, even if its run succeeds; also a decorator.

    Args:
        action: A function that is called with a `TableEvent`, or a job that is started with the event in its tags.
        project: The project, or its folder, whose tables are watched; by default all of the code location.
        threshold: Minimum number of rows of a check that counts rows; other checks are always reported.
        name: The name of the sensor; by default that of the action and of the reaction.
        minimum_interval_seconds: Seconds between two ticks.
        default_status: Initial status of the sensor, until somebody switches it.

    Raises:
        StarlakeError: If the action is neither a function nor a job.
    """
    reaction = _Reaction("check_failed", project, name, threshold)
    return reaction.sensor_or_decorator(action, minimum_interval_seconds, default_status)


@dataclass(frozen=True)
class _Reaction:
    kind: EventKind
    project: AnyProject | None
    name: str | None
    threshold: int = 1

    def sensor_or_decorator(self, action: Any, interval: int, status: DefaultSensorStatus) -> Any:
        if action is None:
            return lambda decorated: self.sensor(decorated, interval, status)
        return self.sensor(action, interval, status)

    def sensor(self, action: Any, interval: int, status: DefaultSensorStatus) -> SensorDefinition:
        is_job = isinstance(action, JobDefinition)
        if not is_job and not callable(action):
            raise StarlakeError(
                f"on_{self.kind}: {action!r} is not an action", fix="pass a function that takes the event, or a job"
            )
        label = action.name if is_job else getattr(action, "__name__", type(action).__name__)
        name = self.name or sanitize_id(f"{label}_on_{self.kind}")
        tick = _StartsJob(self, name) if is_job else _CallsFunction(self, name, action)
        return SensorDefinition(
            name=name,
            evaluation_fn=_with_resources(tick, None if is_job else action),
            job=action if is_job else None,
            minimum_interval_seconds=interval,
            default_status=status,
            description=f"Reacts to {self.kind.replace('_', ' ')}: {'starts' if is_job else 'calls'} {label}.",
        )

    def names(self) -> frozenset[str] | None:
        """Return the names of the watched tables; None for all."""
        if self.project is None:
            return None
        project = self.project if isinstance(self.project, StarlakeProject) else StarlakeProject(self.project)
        return frozenset(item.full_name for item in project.items)

    def counts(self, event: TableEvent) -> bool:
        """Return True if an event reaches the threshold."""
        found = event.rows_rejected if self.kind == "rows_rejected" else event.count
        return self.kind == "table_failed" or found is None or found >= self.threshold


@dataclass
class _Outcome:
    told: int = 0
    requests: list[RunRequest] = field(default_factory=list)


class _Tick:
    """A tick of a reaction: it handles each event once."""

    def __init__(self, reaction: _Reaction, name: str) -> None:
        self._reaction = reaction
        self._name = name

    def __call__(self, context: SensorEvaluationContext, **resources: Any) -> SensorResult:
        """Read new records, and react.

        Raises:
            StarlakeError: If the action fails for the first event. It is repeated at the next tick.
        """
        before = ReadSoFar.read(context.cursor)
        reading = RunReading(context.instance, before)
        outcome = _Outcome()
        try:
            self._react(context, reading, outcome, resources)
        except Exception as error:
            failure = StarlakeError(
                f"the action of the reaction {self._name} failed",
                cause=f"{type(error).__name__}: {error}",
                fix="correct it; the event is repeated until the action succeeds",
            )
            if reading.progress == before:
                raise failure from error
            _compat.log_of(context).error(str(failure))
        cursor = reading.progress.written()
        if outcome.requests:
            return SensorResult(run_requests=outcome.requests, cursor=cursor)
        return SensorResult(skip_reason=SkipReason(f"{outcome.told} event(s)"), cursor=cursor)

    def _react(
        self, context: SensorEvaluationContext, reading: RunReading, outcome: _Outcome, resources: dict[str, Any]
    ) -> None:
        reader = EventReader(self._reaction.kind, context, self._reaction.names())
        deadline = time.monotonic() + _SECONDS
        for run, record in reading.records():
            if time.monotonic() > deadline:
                return  # Dagster ends ticks that take a minute; the next one continues here
            if run.tags.get(REACTION_TAG) == self._name or not reader.is_ours(run):
                continue
            for event in filter(self._reaction.counts, reader.events(run, record)):
                self.act(event, record, outcome, resources)
                outcome.told += 1

    def act(self, event: TableEvent, record: LogRecord, outcome: _Outcome, resources: dict[str, Any]) -> None:
        """React to an event."""
        raise NotImplementedError


class _CallsFunction(_Tick):
    def __init__(self, reaction: _Reaction, name: str, function: Callable[..., Any]) -> None:
        super().__init__(reaction, name)
        self._function = function

    def act(self, event: TableEvent, record: LogRecord, outcome: _Outcome, resources: dict[str, Any]) -> None:  # noqa: ARG002
        self._function(event, **resources)


class _StartsJob(_Tick):
    def act(self, event: TableEvent, record: LogRecord, outcome: _Outcome, resources: dict[str, Any]) -> None:  # noqa: ARG002
        run_key = f"{event.run_id}:{record.storage_id}:{event.table}"
        outcome.requests.append(RunRequest(run_key=run_key, tags={REACTION_TAG: self._name, **_tags(event)}))


def _tags(event: TableEvent) -> dict[str, str]:
    told = {
        "event": event.kind,
        "table": event.table,
        "run_id": event.run_id,
        "partition": event.partition,
        "check": event.check,
        "rows_rejected": event.rows_rejected,
        "message": event.message[:_LONGEST_TAG],
    }
    return {f"starlake/{name}": str(value) for name, value in told.items() if value is not None}


def _with_resources(tick: _Tick, function: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return the function of a sensor with the resources of its action in its signature, which Dagster reads."""

    def evaluate(context: SensorEvaluationContext, **resources: Any) -> SensorResult:
        return tick(context, **resources)

    parameters = list(inspect.signature(function).parameters.values())[1:] if function else []
    types = get_type_hints(function) if parameters else {}
    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=SensorEvaluationContext)
    needed = [
        inspect.Parameter(each.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=types.get(each.name, Any))
        for each in parameters
        if each.default is inspect.Parameter.empty
    ]
    vars(evaluate)["__signature__"] = inspect.Signature([first, *needed])
    evaluate.__annotations__ = {each.name: each.annotation for each in (first, *needed)}
    return evaluate
