"""An asset for the rejected rows of each domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    In,
    MaterializeResult,
    Nothing,
    OpExecutionContext,
    Out,
    TableMetadataValue,
)

from ai.starlake.dagster.assets.asset_names import group_of
from ai.starlake.dagster.assets.automation.item_conditions import eager
from ai.starlake.dagster.assets.dagster_features import quiet
from ai.starlake.dagster.assets.metadata_tables import metadata_table
from ai.starlake.dagster.assets.rejects.last_loads import counts_of, last_load
from ai.starlake.dagster.assets.rejects.rejected_keys import loaded_domains, rejected_key, require_free_keys
from ai.starlake.dagster.assets.steps.asset_steps import name_of_key
from ai.starlake.dagster.ops import Body, Event, OpSpec

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem

REASONS = "starlake/reject_reasons"


def rejected_assets(build: AssetBuild) -> list[AssetsDefinition]:
    """Return an asset for each domain of loaded tables, which counts the rows that their last loads rejected.

    Args:
        build: The items, and their specs.

    Raises:
        StarlakeError: If an item of the project has the key of such an asset.
    """
    require_free_keys(build)
    return [_rejected_asset(build, domain, tables) for domain, tables in loaded_domains(build).items()]


def _rejected_asset(build: AssetBuild, domain: str, tables: tuple[ProjectItem, ...]) -> AssetsDefinition:
    key = rejected_key(build, domain)
    inputs = {name_of_key(build.key(table)): build.key(table) for table in tables}
    op = build.ops.make(
        OpSpec(
            task_id=name_of_key(key),
            source=f"the rejected rows of {domain}",
            body=RejectedBody(build, key, tables),
            ins=dict.fromkeys(inputs, In(Nothing)),
            outs={name_of_key(key): Out(Nothing)},
            tags=build.op_tags,
        )
    )
    with quiet():
        spec = AssetSpec(
            key,
            deps=list(inputs.values()),
            description=f"The rows that the last loads of {domain} rejected, by table and reason.",
            group_name=group_of(tables[0]),
            kinds={"starlake"},
            automation_condition=eager(()) if build.options.automation == "eager" else None,
        )
        return AssetsDefinition(
            node_def=op, keys_by_input_name=inputs, keys_by_output_name={name_of_key(key): key}, specs=[spec]
        )


@dataclass(frozen=True, eq=False)
class RejectedBody(Body):
    """Body of a step that counts the rejected rows of a domain, as recorded by its loads.

    Args:
        build: The keys of tables.
        key: The key of the asset.
        tables: The loaded tables of the domain.
    """

    build: AssetBuild
    key: AssetKey
    tables: tuple[ProjectItem, ...]

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Record the numbers of rejected rows, by table and reason."""
        yield MaterializeResult(asset_key=self.key, metadata=rejected_metadata(self.build, self.tables, context))


def rejected_metadata(
    build: AssetBuild, tables: Sequence[ProjectItem], context: OpExecutionContext
) -> Mapping[str, Any]:
    """Return the numbers of rejected rows of tables, by table and reason, as recorded by their last loads.

    Args:
        build: The keys of tables.
        tables: The tables.
        context: The context of the step.
    """
    loads = [(table.full_name, last_load(build.key(table), context)) for table in tables]
    rows = [row for name, load in loads if load for row in _rows_of(name, load)]
    counts = {name: counts_of(load) for name, load in loads if load}
    total = sum(each.rejected for each in counts.values() if each)
    metadata: dict[str, Any] = {"dagster/row_count": total, "starlake/rows_rejected": total}
    if rows:
        metadata["starlake/rejects"] = metadata_table(rows)
    unknown = [name for name, each in counts.items() if each is None]
    if unknown:
        metadata["starlake/unknown"] = f"no number of rejected rows is recorded for {', '.join(unknown)}"
    return metadata


def _rows_of(table: str, load: AssetMaterialization) -> Iterator[dict[str, str | int | None]]:
    reasons = load.metadata.get(REASONS)
    if isinstance(reasons, TableMetadataValue):
        for each in reasons.records:
            yield {"table": table, "reason": str(each.data["reason"]), "rows": _number(each.data["rows"])}
    elif (counts := counts_of(load)) and counts.rejected:
        yield {"table": table, "reason": None, "rows": counts.rejected}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
