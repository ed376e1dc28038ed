"""Ops that run no command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dagster import AssetKey, AssetMaterialization, OpExecutionContext, Out

from ai.starlake.dagster import _compat
from ai.starlake.dagster.ops import Body, Event, outputs
from ai.starlake.dagster.run_info import is_dry_run
from ai.starlake.orchestration.dates.run_tags import OUTCOME_TAG


@dataclass(frozen=True)
class DummyBody(Body):
    """Yields outputs, and materializes its assets.

    Args:
        value: The value of the outputs.
        assets: The assets to record as materialized.
        outs: The outputs of the op.
        only_after_data: True to record them only if another op of the run has recorded an asset.
    """

    value: str
    assets: tuple[AssetKey, ...]
    outs: Mapping[str, Out] = field(hash=False)
    only_after_data: bool = False

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Run within an op."""
        if self.assets and not is_dry_run(context):
            if self.only_after_data and not _compat.has_materializations(context.instance, context.run_id):
                outcome = {OUTCOME_TAG: "skipped: nothing was loaded or transformed"}
                _compat.add_run_tags(context.instance, context.run_id, outcome)
                context.log.info("nothing was loaded or transformed in this run")
            else:
                partition = context.partition_key if context.has_partition_key else None
                yield from (AssetMaterialization(asset, partition=partition) for asset in self.assets)
        yield from outputs(self.outs, self.value)
