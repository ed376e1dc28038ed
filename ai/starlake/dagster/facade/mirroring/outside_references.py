"""References to outside runs: the configuration of a mirrored run, and its tags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, Field

from ai.starlake.common import StarlakeError, parse_datetime

if TYPE_CHECKING:
    from ai.starlake.orchestration.outside import OutsideRun
    from ai.starlake.project.audit import AuditDatabase, AuditRow

OUTSIDE_RUN_TAG = "starlake/outside_run"
AUDIT_IDS_TAG = "starlake/audit_ids"
MIRRORS_TAG = "starlake/mirrors"
"""Digest of the rows of a run and of the assets that show them: the same for all facades that mirror the same."""
_LONGEST_TAG = 255

CONFIG = Field(
    {
        "name": Field(str, description="The name of the run outside, for people."),
        "job_ids": Field([str], description="Its JOBIDs in the audit."),
        "rows": Field([str], description="The digests of its rows in the audit."),
        "since": Field(str, description="End of the first of these rows (ISO 8601)."),
        "until": Field(str, description="End of the last of these rows (ISO 8601)."),
    },
    description="Rows of the audit to mirror; the sensor fills it in.",
)


@dataclass(frozen=True)
class OutsideReference:
    """A reference to an outside run. Its size is bounded, as is the number of runs per tick.

    Args:
        name: The name of the run.
        job_ids: Its JOBIDs.
        rows: The digests of its rows.
        since: End of its first row.
        until: End of its last row.
    """

    name: str
    job_ids: tuple[str, ...]
    rows: tuple[str, ...]
    since: str
    until: str

    @classmethod
    def of(cls, run: OutsideRun, rows: Sequence[AuditRow]) -> OutsideReference:
        """Return the reference to some rows of a run."""
        ends = [row.ended for row in rows]
        job_ids = tuple(dict.fromkeys(row.job_id for row in rows))
        return cls(run.name, job_ids, tuple(row.digest for row in rows), min(ends).isoformat(), max(ends).isoformat())

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> OutsideReference:
        """Return the reference from a configuration."""
        lists = {name: tuple(config[name]) for name in ("job_ids", "rows")}
        return cls(**{**config, **lists})

    def config(self) -> dict[str, Any]:
        """Return the reference as the configuration of an op."""
        return {
            "name": self.name,
            "job_ids": list(self.job_ids),
            "rows": list(self.rows),
            "since": self.since,
            "until": self.until,
        }

    def digest(self, assets: Iterable[AssetKey]) -> str:
        """Return the digest for `MIRRORS_TAG`.

        Args:
            assets: The assets that show the rows.
        """
        text = json.dumps([sorted(self.rows), sorted("/".join(asset.path) for asset in assets)])
        return sha256(text.encode()).hexdigest()[:32]

    def tags(self, environment: str, digest: str) -> dict[str, str]:
        """Return the tags of the run that mirrors it."""
        return {
            MIRRORS_TAG: digest,
            OUTSIDE_RUN_TAG: self.name[:_LONGEST_TAG],
            AUDIT_IDS_TAG: _shortened(self.job_ids),
            "starlake/environment": environment,
        }

    def read(self, audit: AuditDatabase) -> tuple[list[AuditRow], int]:
        """Return the rows, and the number of rows that are no longer in the audit.

        Raises:
            StarlakeError: If the audit cannot be read, or contains none of them.
        """
        since, until = (parse_datetime(text, timezone.utc) for text in (self.since, self.until))
        found = audit.rows_of(self.job_ids, since=_earlier(since), until=until + timedelta(seconds=1))
        wanted = set(self.rows)
        rows = [row for row in found if row.digest in wanted]
        if not rows:
            raise self.gone(len(wanted), audit)
        return rows, len(wanted) - len(rows)

    def gone(self, number: int, audit: AuditDatabase) -> StarlakeError:
        """Return the error for rows that are no longer in the audit."""
        return StarlakeError(
            f"{number} of {len(self.rows)} row(s) of the run {self.name} are not in the audit any more",
            cause=f"somebody has deleted or changed them in {audit.name}",
            fix="keep rows of the audit for a day at least; the remaining rows are mirrored",
        )


def _earlier(at: datetime) -> datetime:
    return at - timedelta(seconds=1)


def _shortened(job_ids: Sequence[str]) -> str:
    """Return as many JOBIDs as a tag can hold, and the number of the others."""
    text = ", ".join(job_ids)
    if len(text) <= _LONGEST_TAG:
        return text
    first = job_ids[0][: _LONGEST_TAG - 20]
    return f"{first} and {len(job_ids) - 1} more" if len(job_ids) > 1 else first
