"""Dry runs: a step that records nothing is followed by no step, so it also shows the commands of the steps after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ai.starlake.orchestration.dates.run_tags import is_tagged_dry

if TYPE_CHECKING:
    from dagster import OpExecutionContext

    from ai.starlake.project.assets.project_item import ProjectItem, Target


def items_behind(
    items: Sequence[ProjectItem], of_run: Iterable[ProjectItem], context: OpExecutionContext
) -> Iterator[ProjectItem]:
    """Yield the items of later steps of the run, which are skipped because this step records nothing.

    If the whole run is dry, each is yielded in one step only: the first one that it depends on.

    Args:
        items: The items of this step.
        of_run: The items of all steps of the run, each after its dependencies.
        context: The context of the step.
    """
    whole = is_tagged_dry(context.run.tags)
    here = {item.target for item in items}
    first: dict[Target, tuple[int, Target]] = {}
    after = set(here)
    for position, item in enumerate(of_run):
        read = [target for target in item.upstream if target in first]
        first[item.target] = min((first[target] for target in read), default=(position, item.target))
        follows = first[item.target][1] in here if whole else not after.isdisjoint(read)
        if follows and item.target not in here:
            after.add(item.target)
            yield item
