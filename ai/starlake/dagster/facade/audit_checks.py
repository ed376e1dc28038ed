"""Checks of external assets: their results are read from the audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    OpExecutionContext,
    Out,
)

from ai.starlake.common import sanitize_id
from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.dagster_features import quiet
from ai.starlake.dagster.assets.steps.asset_steps import name_of_key
from ai.starlake.dagster.facade.mirroring.mirror_events import MirrorEvents
from ai.starlake.dagster.facade.mirroring.outside_metadata import LAST_RUN
from ai.starlake.dagster.facade.sync_job import state_when_free
from ai.starlake.dagster.ops import Body, Event, OpSpec

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild

_LAST_RUN_MEANS = "The last run of Starlake on record for it succeeded."
_RESULT = Out(None, is_required=False)


def check_specs(build: FacadeBuild) -> list[AssetCheckSpec]:
    """Return the checks of all assets: a check per expectation, that of rejected rows, and ``last_run``."""
    items = build.assets.items
    last = [AssetCheckSpec(LAST_RUN, asset=build.assets.key(item), description=_LAST_RUN_MEANS) for item in items]
    return [*last, *build.assets.check_specs(items)]


def audit_checks(build: FacadeBuild) -> list[AssetChecksDefinition]:
    """Return the checks, with one op for all of them that reads the recorded results; none without assets.

    Args:
        build: The items, and the audit.
    """
    specs = check_specs(build)
    if not specs:
        return []
    named = {f"{name_of_key(spec.asset_key)}__check__{sanitize_id(spec.name)}": spec for spec in specs}
    op = build.assets.ops.make(
        OpSpec(
            task_id=build.name_of("checks"),
            source="the checks of a facade",
            body=AuditChecksBody(build),
            outs=dict.fromkeys(named, _RESULT),
            description="Reads the last results of checks from Starlake's audit.",
            tags={"dagster/compute_kind": "starlake"},
        )
    )
    with quiet():
        return [_compat.checks_of_op(op, named)]


@dataclass(frozen=True, eq=False)
class AuditChecksBody(Body):
    """Body of the op of all checks: it reports the recorded results.

    Args:
        build: The items, and the audit.
    """

    build: FacadeBuild

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Yield the recorded result of each selected check. Nothing is evaluated here: that happens outside.

        Raises:
            Failure: If the audit cannot be read.
        """
        states = state_when_free(self.build, context)
        events = MirrorEvents(self.build, context.instance, context.log.warning)
        selected = context.selected_asset_check_keys
        for item in self.build.assets.items:
            key = self.build.assets.key(item)
            wanted = {check.name for check in selected if check.asset_key == key}
            of_item = states.items.get(item.full_name)
            found = {each.check_name: each for each in events.results(of_item[-1])} if wanted and of_item else {}
            for name in sorted(wanted):
                yield from _compat.harmless_results(found.get(name) or _unknown(key, name), context)


def _unknown(key: AssetKey, name: str) -> AssetCheckResult:
    return AssetCheckResult(
        passed=False,
        asset_key=key,
        check_name=name,
        severity=AssetCheckSeverity.WARN,
        description="unknown: the audit has no result of it",
        metadata={"starlake/unknown": "the audit has no result of it"},
    )
