"""Ops that do nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dagster import AssetKey, AssetMaterialization, OpExecutionContext, Out

from ai.starlake.dagster.commands import is_dry_run
from ai.starlake.dagster.ops import Body, Event, outputs


@dataclass(frozen=True)
class DummyBody(Body):
    """Yields outputs, and materializes the assets that it is told to.

    Args:
        value: The value of the outputs.
        assets: What to record as materialized.
        outs: The outputs of the op.
    """

    value: str
    assets: tuple[AssetKey, ...]
    outs: Mapping[str, Out] = field(hash=False)

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Runs within an op."""
        if not is_dry_run(context):
            yield from (AssetMaterialization(asset) for asset in self.assets)
        yield from outputs(self.outs, self.value)
