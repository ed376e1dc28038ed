"""The outcomes of tables and tasks that executors report."""

from __future__ import annotations

from ai.starlake.common.outcomes.table_outcomes import (
    CheckOutcome,
    LoadedFile,
    RejectReason,
    StarlakeCounts,
    TableOutcome,
)

__all__ = ["CheckOutcome", "LoadedFile", "RejectReason", "StarlakeCounts", "TableOutcome"]
