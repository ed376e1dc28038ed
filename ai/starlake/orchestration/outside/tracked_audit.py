"""What tracking needs of an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ai.starlake.common.outcomes.audit_rows import AuditRow


class TrackedAudit(Protocol):
    """An audit that is asked for rows by the time at which what they are about ended."""

    def minutes(self, since: datetime) -> Mapping[datetime, int]:
        """Return the number of rows of each minute, of those that ended at a time or later.

        Args:
            since: The beginning of a minute, UTC.
        """

    def rows(self, since: datetime, until: datetime, *, limit: int) -> Sequence[AuditRow]:
        """Return rows, those that ended first first.

        Args:
            since: When they ended, at the earliest, UTC.
            until: Before when they ended.
            limit: How many at most.
        """
