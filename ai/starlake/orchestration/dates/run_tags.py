"""Tags of runs, and their meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ai.starlake.common import DataInterval, StarlakeError

DRY_RUN_TAG = "starlake/dry_run"
LOGICAL_DATE_TAG = "starlake/logical_date"
INTERVAL_START_TAG = "starlake/data_interval_start"
INTERVAL_END_TAG = "starlake/data_interval_end"
OUTCOME_TAG = "starlake/outcome"

_LONGEST_TAG = 200
"""Maximum bytes of a tag with names. PostgreSQL cannot index values of more than about 2,700 bytes."""


def is_tagged_dry(tags: Mapping[str, str]) -> bool:
    """Return True if the tags of a run make its commands logged instead of run."""
    return tags.get(DRY_RUN_TAG, "").lower() == "true"


def require_dry_run_tag(tags: Mapping[str, str]) -> None:
    """Check the tag of a dry run, if a run has it: a run that was meant to be dry must not run commands.

    Raises:
        StarlakeError: If its value is neither true nor false.
    """
    value = tags.get(DRY_RUN_TAG, "")
    if value.lower() not in ("true", "false", ""):
        raise StarlakeError(
            f"the tag {DRY_RUN_TAG} of the run is {value!r}",
            cause="so it is unknown whether commands are to be run",
            fix="set it to true, to log the commands, or to false, to run them",
        )


def date_tags(logical: datetime, interval: DataInterval | None = None) -> dict[str, str]:
    """Return the tags with the dates of a run that has neither a partition nor a schedule.

    Args:
        logical: The logical date.
        interval: The data interval, if there is one.
    """
    tags = {LOGICAL_DATE_TAG: logical.isoformat()}
    if interval:
        tags |= {INTERVAL_START_TAG: interval.start.isoformat(), INTERVAL_END_TAG: interval.end.isoformat()}
    return tags


def tag_of_names(names: Sequence[str]) -> str:
    """Return a tag that lists names; for a long list, the first ones and the number of the others.

    Args:
        names: The names, of any number and length.
    """
    for shown in range(min(len(names), _LONGEST_TAG), 0, -1):
        more = f" and {len(names) - shown} more" if shown < len(names) else ""
        text = ", ".join(names[:shown]) + more
        if len(text.encode()) <= _LONGEST_TAG:
            return text
    return _cut(names[0], len(names) - 1) if names else ""


def _cut(name: str, others: int) -> str:
    """Return the beginning of a name that is too long for a tag."""
    end = f"... and {others} more" if others else "..."
    return name.encode()[: _LONGEST_TAG - len(end)].decode(errors="ignore") + end
