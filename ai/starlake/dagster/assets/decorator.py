"""Assets of a project whose step is a user's function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dagster import AssetKey

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.assets.asset_build import AssetBuild
from ai.starlake.dagster.assets.automation.backfills import require_one_definition
from ai.starlake.dagster.assets.steps.asset_steps import step_of
from ai.starlake.dagster.assets.steps.batches import Batch
from ai.starlake.dagster.assets.translated_project import AnyProject, Prefix

if TYPE_CHECKING:
    from dagster import AssetsDefinition, BackfillPolicy, PartitionsDefinition, RetryPolicy

    from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator
    from ai.starlake.project.assets.item_selection import Words


def starlake_assets(
    *,
    project: AnyProject,
    select: Words | None = None,
    exclude: Words | None = None,
    name: str | None = None,
    translator: DagsterStarlakeTranslator | None = None,
    asset_prefix: Prefix | None = None,
    partitions_def: PartitionsDefinition[str] | None = None,
    backfill_policy: BackfillPolicy | None = None,
    pool: str | None = None,
    retry_policy: RetryPolicy | None = None,
    op_tags: Mapping[str, str] | None = None,
    checks: bool = True,
    compute: str | None = None,
) -> Callable[[Callable[..., Any]], AssetsDefinition]:
    """Use a function as the step of tables and tasks of a project: it takes a `StarlakeResource` and yields its events.

    Args:
        project: The project, or its folder.
        select: The tables and tasks to include: ``shop``, ``shop.orders``, ``tag:daily``, ``+kpis.sales``; all by
            default.
        exclude: The tables and tasks to exclude.
        name: The name of the step; by default that of the function.
        translator: Creates the specs of assets and checks.
        asset_prefix: Prefix of the keys of all assets that the project makes.
        partitions_def: The partitions of all assets.
        backfill_policy: Division of backfills into runs.
        pool: The pool whose slots the step takes.
        retry_policy: Retry policy of the step.
        op_tags: Further tags of the step.
        checks: True if expectations become checks.
        compute: The compute profile of all commands, which overrides metadata.

    Returns:
        A decorator, which makes the multi-asset.

    Raises:
        StarlakeError: If a file of the project cannot be used, if a selection matches nothing, if nothing is selected,
            or if items have different partitions.
    """

    def decorate(function: Callable[..., Any]) -> AssetsDefinition:
        build = AssetBuild.of(
            project,
            name=name or function.__name__,
            translator=translator,
            select=select,
            exclude=exclude,
            asset_prefix=asset_prefix,
            batched="project",
            partitions_def=partitions_def,
            backfill_policy=backfill_policy,
            pool=pool,
            retry_policy=retry_policy,
            op_tags=op_tags or {},
            checks=checks,
            compute=compute,
            runs_elsewhere=True,
        )
        if not build.items:
            raise StarlakeError(
                f"{function.__name__}: there is no table and no task", fix="let select name some, and exclude not all"
            )
        require_one_definition(build)
        batch = Batch(AssetKey(build.name), f"the assets of {function.__name__}", build.items)
        return step_of(build, batch, lambda spec: build.ops.make_from(function, spec))

    return decorate
