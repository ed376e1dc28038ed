"""Items that share a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import AssetKey

from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.job.compute_profiles import ComputeProfile
    from ai.starlake.project.assets.project_item import ProjectItem


@dataclass(frozen=True)
class Batch:
    """The items of one step.

    Args:
        key: Source of the name of the step.
        source: Description of the step.
        items: The items, each after its dependencies.
    """

    key: AssetKey
    source: str
    items: tuple[ProjectItem, ...]


def batches(build: AssetBuild) -> list[Batch]:
    """Divide the selected items into steps, in the order of the items.

    Only items with the same partitions, the same compute profile and the same backfill policy share a step.

    Args:
        build: The items, and whether they share steps.

    Raises:
        StarlakeError: If `batched` has an invalid value.
    """
    if not isinstance(build.batched, bool) and build.batched != "project":
        raise StarlakeError(
            f"batched is {build.batched!r}",
            fix="use false for a step per table or task, true for one per domain, or 'project' for one step",
        )
    if build.batched is False:
        return [Batch(build.key(item), f"the asset {item.full_name}", (item,)) for item in build.items]
    groups: dict[tuple[str, int, bool, ComputeProfile | None], list[ProjectItem]] = {}
    distinct: list[object] = []
    for item in build.items:
        place = build.name if build.batched == "project" else item.domain
        partitions = build.partitions[item.target]
        if partitions not in distinct:
            distinct.append(partitions)
        at_once = partitions is not None and build.runs_at_once(item)
        group = (place, distinct.index(partitions), at_once, build.compute_of(item))
        groups.setdefault(group, []).append(item)
    what = "project" if build.batched == "project" else "domain"
    prefix = () if build.batched == "project" else build.translated.prefix
    found, taken = [], dict.fromkeys((place for place, *_ in groups), 0)
    for (place, *_), items in groups.items():
        taken[place] += 1
        name = place if taken[place] == 1 else f"{place}_{taken[place]}"
        found.append(Batch(AssetKey([*prefix, name]), f"the assets of {what} {place} (step {name})", tuple(items)))
    return found
