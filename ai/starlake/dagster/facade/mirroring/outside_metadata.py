"""Metadata of outside runs, under the names that Dagster runs use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dagster import MetadataValue

from ai.starlake.common import mask_named_values
from ai.starlake.common.redaction import mask_passwords_of_urls
from ai.starlake.dagster.assets.steps.outcome_events import outcome_metadata

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.mirroring.log_links import LogLinks
    from ai.starlake.dagster.facade.mirroring.outside_items import OutsideItem
    from ai.starlake.executor.outcomes import TableOutcome
    from ai.starlake.project.audit import AuditRow

AUDIT_ROWS = "starlake/audit_rows"
"""Identifies the rows of the audit of an event: their digests, the last one last."""
ENDED = "starlake/ended"
LAST_RUN = "last_run"
"""Name of the check for the success of the last outside run."""
_MOST_ROWS = 50


def outside_metadata(
    each: OutsideItem, rows: Sequence[AuditRow], outcome: TableOutcome, links: LogLinks
) -> Iterator[tuple[str, Any]]:
    """Yield the metadata of a table or task in an outside run.

    Args:
        each: The table or task, and the run.
        rows: The rows of the audit.
        outcome: Their outcome.
        links: The links to logs.
    """
    yield "starlake/status", "success" if each.error is None else "failure"
    yield from outcome_metadata(outcome)
    yield from reference_metadata(each, rows, links)


def reference_metadata(each: OutsideItem, rows: Sequence[AuditRow], links: LogLinks) -> Iterator[tuple[str, Any]]:
    """Yield the metadata of the outside run itself: its name, its times, its log, its rows in the audit.

    Args:
        each: The table or task, and the run.
        rows: The rows of the audit.
        links: The links to logs.
    """
    last = rows[-1]
    yield "starlake/outside_run", each.run
    yield "starlake/started", MetadataValue.timestamp(min(row.started for row in rows))
    yield ENDED, MetadataValue.timestamp(last.ended)
    if last.scheduled is not None:
        yield "starlake/logical_date", MetadataValue.timestamp(last.scheduled)
    log = links.of(last)
    if log is not None:
        yield "starlake/log", MetadataValue.url(log)
    yield AUDIT_ROWS, ",".join(row.digest for row in rows[-_MOST_ROWS:])


def message_of(each: OutsideItem) -> str:
    """Return the error of a table or task, without passwords of URLs and the values of named secrets."""
    return mask_named_values(mask_passwords_of_urls(each.error or ""))
