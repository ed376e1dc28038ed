"""Definitions of assets: one for each step, made from an op with derived names.

Dagster's decorators derive the names of inputs and outputs from keys, and refuse letters beyond ASCII.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dagster import AssetKey, AssetsDefinition, AssetSpec, In, Nothing, Out

from ai.starlake.common import sanitize_id
from ai.starlake.dagster.assets.automation.backfills import backfill_policy_of
from ai.starlake.dagster.assets.checks.check_partitions import with_partitions
from ai.starlake.dagster.assets.dagster_features import quiet
from ai.starlake.dagster.assets.item_compute import compute_tags
from ai.starlake.dagster.assets.steps.batches import Batch, batches
from ai.starlake.dagster.assets.steps.materializing import AssetBody
from ai.starlake.dagster.ops import OpSpec
from ai.starlake.dagster.resource_secrets import resources_of

if TYPE_CHECKING:
    from dagster import OpDefinition

    from ai.starlake.dagster.assets.asset_build import AssetBuild

_IN, _OUT, _CHECK = In(Nothing), Out(Nothing, is_required=False), Out(None, is_required=False)


def asset_steps(build: AssetBuild) -> list[AssetsDefinition]:
    """Return the assets of all selected items, divided into steps.

    Args:
        build: The items, and their specs.

    Raises:
        StarlakeError: If two items have one key.
    """
    make = build.ops.make if build.function is None else partial(build.ops.make_from, build.function)
    with quiet():
        return [step_of(build, batch, make) for batch in batches(build)]


def step_of(build: AssetBuild, batch: Batch, make: Callable[[OpSpec], OpDefinition]) -> AssetsDefinition:
    """Return the assets of one step.

    Args:
        build: The items, and their specs.
        batch: The items of the step.
        make: Creates the op.
    """
    items = batch.items
    specs = build.specs(items)
    checks = with_partitions(build.check_specs(items), specs)
    outputs = {name_of_key(spec.key): spec.key for spec in specs}
    inputs = dict(_inputs(specs))
    check_outputs = {f"{name_of_key(each.asset_key)}__check__{sanitize_id(each.name)}": each for each in checks}
    settings = build.sl_job.settings
    spec = OpSpec(
        task_id=name_of_key(batch.key),
        source=batch.source,
        body=AssetBody(build, items),
        ins=dict.fromkeys(inputs, _IN),
        outs={**dict.fromkeys(outputs, _OUT), **dict.fromkeys(check_outputs, _CHECK)},
        tags={"dagster/compute_kind": "starlake", **compute_tags(map(build.compute_of, items)), **build.op_tags},
        retries=settings.retries,
        retry_delay=settings.retry_delay,
        pool=build.pool or build.sl_job.pool,
        retry_policy=build.retry_policy,
        resources=resources_of([*build.environment.values(), *settings.secrets_of_profiles]),
    )
    op = make(spec)
    with quiet():
        return AssetsDefinition(
            node_def=op,
            keys_by_input_name=inputs,
            keys_by_output_name=outputs,
            check_specs_by_output_name=check_outputs,
            specs=specs,
            backfill_policy=backfill_policy_of(build, items),
            can_subset=len(specs) + len(checks) > 1,
        )


def _inputs(specs: Sequence[AssetSpec]) -> Iterator[tuple[str, AssetKey]]:
    """Yield the inputs of a step: the dependencies of its items, also on each other.

    Dagster splits a step that runs both before and after another one; its second part then waits for the first.
    """
    made = {spec.key for spec in specs}
    for key in dict.fromkeys(dep.asset_key for spec in specs for dep in spec.deps):
        yield (f"own__{name_of_key(key)}" if key in made else name_of_key(key)), key


def name_of_key(key: AssetKey) -> str:
    """Return the name of an op, an input or an output for an asset.

    If the name does not determine the key, as with characters that Dagster does not allow, some digits of the key's
    hash are appended.

    Args:
        key: The key of the asset.
    """
    text = "__".join(key.path)
    name = sanitize_id(text)
    if name == text and text.split("__") == list(key.path):
        return name
    return f"{name}_{hashlib.sha256('/'.join(key.path).encode()).hexdigest()[:6]}"
