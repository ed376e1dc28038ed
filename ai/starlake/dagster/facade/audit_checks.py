"""The checks of assets that are made elsewhere: their results are those on record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import AssetChecksDefinition, AssetCheckSpec, OpExecutionContext, Out

from ai.starlake.common import sanitize_id
from ai.starlake.dagster.assets.dagster_features import quiet
from ai.starlake.dagster.assets.steps.asset_steps import name_of_key
from ai.starlake.dagster.ops import Body, Event, OpSpec

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild

LAST_RUN = "last_run"
_LAST_RUN_MEANS = "The last run of Starlake on record for it succeeded."
_RESULT = Out(None, is_required=False)


def check_specs(build: FacadeBuild) -> list[AssetCheckSpec]:
    """Return the checks of all assets: a check per expectation, that of rejected rows, and ``last_run``."""
    items = build.assets.items
    last = [AssetCheckSpec(LAST_RUN, asset=build.assets.key(item), description=_LAST_RUN_MEANS) for item in items]
    return [*last, *build.assets.check_specs(items)]


def audit_checks(build: FacadeBuild) -> list[AssetChecksDefinition]:
    """Return the checks, with one op for all of them that reads the results on record; none without assets.

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
        return [
            AssetChecksDefinition.create(
                keys_by_input_name={}, node_def=op, check_specs_by_output_name=named, can_subset=len(named) > 1
            )
        ]


@dataclass(frozen=True, eq=False)
class AuditChecksBody(Body):
    """The body of the op of all checks: it reports what is on record.

    Args:
        build: The items, and the audit.
    """

    build: FacadeBuild

    def events(self, context: OpExecutionContext) -> Iterator[Event]:  # noqa: ARG002
        """Yield the result on record of each selected check."""
        raise NotImplementedError
        yield
