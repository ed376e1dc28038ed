"""Find and remove what runs left in remote services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Literal

from ai.starlake.common import StarlakeError
from ai.starlake.executor.remote.progress import duration
from ai.starlake.executor.remote.remote_backend import Handle, Leftover, RemoteWork, Search

Action = Literal["removed", "would be removed", "kept", "not removed"]


@dataclass(frozen=True)
class Reaped:
    """Result of removing a leftover.

    Args:
        leftover: The leftover.
        age: Its age in seconds.
        action: Action taken.
        reason: Reason for it.
    """

    leftover: Leftover
    age: float
    action: Action
    reason: str


def leftover_work(work: RemoteWork, root_run_id: str | None = None) -> Iterator[Leftover]:
    """Yield the commands that have not ended.

    Args:
        work: The service.
        root_run_id: The run and its re-executions; all runs by default.

    Raises:
        RemoteCallError: If the service refuses a call.
    """
    for handle in work.find(Search(root_run_id, active=True)):
        if not handle.is_over:
            yield _leftover(work, handle)


def sweep(leftovers: Iterable[Leftover]) -> list[str]:
    """Remove what a run that has ended left, except what other runs use.

    Every request names what it ends, so repeating it does no harm. An error is raised when all requests have been made:
    a command that cannot be cancelled must not keep its cluster.

    Returns:
        Description of what was removed.

    Raises:
        StarlakeError: If something could not be removed.
    """
    answers = [_swept(leftover) for leftover in list(leftovers)]
    problem = next((answer for answer in answers if isinstance(answer, StarlakeError)), None)
    if problem is not None:
        raise problem
    return [str(answer) for answer in answers if answer is not None]


def reap(
    leftovers: Iterable[Leftover],
    *,
    older_than: float,
    is_over: Callable[[str], bool | None],
    unknown_too: bool = False,
    dry_run: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> list[Reaped]:
    """Remove what is old enough and belongs to a run that has ended.

    Args:
        leftovers: The leftovers that were found.
        older_than: Minimum age in seconds.
        is_over: Returns True if a run and all its re-executions have ended; None for an unknown run.
        unknown_too: True to remove what belongs to unknown runs.
        dry_run: True to report only what would be done.
        now: Returns the current time.

    Returns:
        One row for each of the leftovers. What could not be removed is a row too, not an error.
    """
    rows = []
    for leftover in leftovers:
        age = max(0.0, (now() - leftover.created).total_seconds())  # clocks differ
        if age < older_than:
            rows.append(Reaped(leftover, age, "kept", f"it is younger than {duration(older_than)}"))
            continue
        due, reason = _is_due(is_over(leftover.run_id), unknown_too=unknown_too)
        if not due:
            rows.append(Reaped(leftover, age, "kept", reason))
        else:
            rows.append(_removed(leftover, age, reason, dry_run=dry_run))
    return rows


def _leftover(work: RemoteWork, handle: Handle) -> Leftover:
    return Leftover(
        kind=work.kind or work.noun,
        name=handle.name,
        region=work.region,
        run_id=handle.root_run_id,
        job_name=handle.belongs_to,
        state=handle.state.text if handle.state else "",
        created=handle.created or datetime.now(timezone.utc),
        remove=partial(work.cancel, handle),
        noun=work.noun,
    )


def _swept(leftover: Leftover) -> Leftover | StarlakeError | None:
    try:
        return leftover if not leftover.is_needed() and leftover.remove() else None
    except StarlakeError as error:
        return error


def _is_due(over: bool | None, *, unknown_too: bool) -> tuple[bool, str]:  # noqa: FBT001  an answer
    if over is None:
        return unknown_too, "its run is not known here"
    return over, "its run is over" if over else "its run is going on"


def _removed(leftover: Leftover, age: float, reason: str, *, dry_run: bool) -> Reaped:
    try:
        if leftover.is_needed():
            return Reaped(leftover, age, "kept", "others work on it")
        if dry_run:
            return Reaped(leftover, age, "would be removed", reason)
        leftover.remove()
    except StarlakeError as error:
        return Reaped(leftover, age, "not removed", str(error))
    return Reaped(leftover, age, "removed", reason)
