"""Results of checks, from the executor's report about a table or task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckResult, AssetCheckSeverity, Failure, Output

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.checks.declared_check import DeclaredCheck
from ai.starlake.dagster.assets.metadata_tables import metadata_table, reasons_table
from ai.starlake.executor.outcomes import CheckOutcome, TableOutcome
from ai.starlake.project.models import Expectation

if TYPE_CHECKING:
    from dagster import AssetCheckEvaluation, OpExecutionContext

    from ai.starlake.common.rejects import RejectLimit

    CheckEvent = AssetCheckResult | AssetCheckEvaluation | Output[None]

_NOT_REPORTED = "the command reports no result for it"


class CheckResults:
    """Creates results of checks.

    Args:
        checks: The checks.
        max_rejected: Maximum rejects of a load; by default, no file may be rejected as a whole.
    """

    def __init__(self, checks: Iterable[DeclaredCheck], max_rejected: RejectLimit | None = None) -> None:
        self._checks = list(checks)
        self._max_rejected = max_rejected

    def of(self, item: str) -> list[DeclaredCheck]:
        """Return the checks of an item, by its full name."""
        return [check for check in self._checks if check.item.full_name == item]

    def results(self, outcome: TableOutcome) -> Iterator[tuple[DeclaredCheck, AssetCheckResult | None]]:
        """Yield the result of each check of an item; None if the item failed before the check."""
        for check in self.of(outcome.name):
            yield check, self._result(check, outcome)

    def _result(self, check: DeclaredCheck, outcome: TableOutcome) -> AssetCheckResult | None:
        """Return the result of a check; None if the item failed before it."""
        if check.of_rejected_rows:
            return self._rejected_rows(check, outcome)
        if outcome.checks is None:
            reason = outcome.checks_unknown or _NOT_REPORTED
            return None if outcome.error is not None else _unknown(check, reason)
        found = _worst(each for each in outcome.checks if call_of(each.expect) == call_of(check.expectation.expect))
        if found is None or (found.success is None and not found.error):
            return None if outcome.error is not None else _unknown(check, _NOT_REPORTED)
        return AssetCheckResult(
            passed=bool(found.success),
            asset_key=check.spec.asset_key,
            check_name=check.spec.name,
            severity=_severity(check),
            description=_description(found),
            metadata=dict(_metadata(check, found, outcome)),
        )

    def _rejected_rows(self, check: DeclaredCheck, outcome: TableOutcome) -> AssetCheckResult | None:
        counts = outcome.counts
        if counts is None:
            reason = "no number of rejected rows is reported"
            return None if outcome.error is not None else _unknown(check, reason)
        if outcome.error is not None and counts.rejected == 0:
            return None
        too_many = outcome.error is not None or counts.exceed(self._max_rejected)
        metadata: dict[str, Any] = {
            "starlake/rows_read": counts.input,
            "starlake/rows_accepted": counts.accepted,
            "starlake/rows_rejected": counts.rejected,
        }
        if self._max_rejected is not None:
            metadata["starlake/max_rejected"] = str(self._max_rejected)
        if outcome.reasons:
            metadata["starlake/reject_reasons"] = reasons_table(outcome.reasons)
        return AssetCheckResult(
            passed=counts.rejected == 0,
            asset_key=check.spec.asset_key,
            check_name=check.spec.name,
            severity=AssetCheckSeverity.ERROR if too_many else AssetCheckSeverity.WARN,
            description="there is nothing to load"
            if counts.read_nothing
            else f"{counts.rejected} of {counts.input} rows are rejected",
            metadata=metadata,
        )


class CheckReport(CheckResults):
    """Reports the results of the checks of one step.

    Args:
        checks: The checks of its items.
        context: The context of the step, with the selected checks.
        max_rejected: Maximum rejects of a load; by default, no file may be rejected as a whole.
    """

    def __init__(
        self, checks: Iterable[DeclaredCheck], context: OpExecutionContext, max_rejected: RejectLimit | None = None
    ) -> None:
        selected = context.selected_asset_check_keys if context.has_assets_def else frozenset()
        super().__init__((check for check in checks if check.spec.key in selected), max_rejected)
        self._context = context
        self._failed: list[DeclaredCheck] = []

    def events(self, outcome: TableOutcome) -> Iterator[CheckEvent]:
        """Yield a result for each selected check of an item: after its materialization, and before its failure.

        For a failed item, only the known results are included.
        """
        missing = []
        for check, result in self.results(outcome):
            if result is None:
                missing.append(check.spec.name)
            else:
                yield from self._event(check, result)
        if missing:
            self._context.log.warning(f"{outcome.name} failed before these checks had a result: {', '.join(missing)}")

    def has_expectations(self, item: str) -> bool:
        """Return True if a check of an expectation of an item is selected."""
        return any(not check.of_rejected_rows for check in self.of(item))

    def require_blocking(self, item: str | None = None) -> None:
        """Fail if a blocking check failed that was not reported before.

        Dagster 1.9 ends a step at the first such result, and the others are lost: so this is called after all results
        of an item, and its failure is raised when the step ends.

        Args:
            item: Full name of the item; all items by default.

        Raises:
            Failure: If one failed. Dagster does not retry.
        """
        failed = [check for check in self._failed if item in (None, check.item.full_name)]
        if not failed:
            return
        self._failed = [check for check in self._failed if check not in failed]
        names = ", ".join(f"{check.spec.name} of {check.item.full_name}" for check in failed)
        error = StarlakeError(f"blocking checks failed: {names}", fix="correct the data; each check says what it found")
        raise Failure(str(error), allow_retries=False) from error

    def _event(self, check: DeclaredCheck, result: AssetCheckResult) -> Iterator[CheckEvent]:
        fails = not result.passed and check.spec.blocking
        if fails and result.severity is AssetCheckSeverity.ERROR:
            self._failed.append(check)
            yield from _compat.check_evaluations(result, self._context)
        elif fails or _compat.has_several_partitions(result, self._context):
            yield from _compat.harmless_evaluations(result, self._context)
        else:
            yield result


def _severity(check: DeclaredCheck) -> AssetCheckSeverity:
    """Return the severity of a failed check; a check that a translator makes blocking could not block as a warning."""
    strict = check.expectation.fail_on_error or check.spec.blocking
    return AssetCheckSeverity.ERROR if strict else AssetCheckSeverity.WARN


def _unknown(check: DeclaredCheck, reason: str) -> AssetCheckResult:
    return AssetCheckResult(
        passed=False,
        asset_key=check.spec.asset_key,
        check_name=check.spec.name,
        severity=AssetCheckSeverity.WARN,
        description=f"unknown: {reason}",
        metadata={"starlake/unknown": reason, "starlake/expectation": check.expectation.expect},
    )


def _description(found: CheckOutcome) -> str:
    if found.error:
        return f"its query failed: {found.error}"
    if found.success:
        return "it holds"
    return f"its query returns {found.count} instead of 0" if found.count is not None else "its query returns no number"


def _metadata(check: DeclaredCheck, found: CheckOutcome, outcome: TableOutcome) -> Iterator[tuple[str, Any]]:
    yield "starlake/expectation", check.expectation.expect
    if found.count is not None:
        yield "starlake/count", found.count
    if found.error:
        yield "starlake/error", found.error
    if found.rows:
        yield "starlake/failing_rows", metadata_table(found.rows)
    if outcome.audit_id:
        yield "starlake/audit_id", outcome.audit_id


def call_of(expect: str) -> str:
    """Return a normalized call for comparison: the audit contains it without category, and with double quotes."""
    return Expectation(expect=expect).call.replace("'", '"')


def _worst(found: Iterable[CheckOutcome]) -> CheckOutcome | None:
    """Return the result to report for equal calls: expectations that differ only in their category are one check."""
    ordered: Sequence[CheckOutcome] = sorted(found, key=lambda each: (each.success is not False, each.success is True))
    return ordered[0] if ordered else None
