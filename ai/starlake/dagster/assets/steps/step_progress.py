"""One attempt at a step with several tables and tasks: which of them run, and which failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dagster import Failure, MetadataValue, OpExecutionContext

from ai.starlake.dagster.assets.steps.earlier_attempts import EarlierAttempts, failed_for_good
from ai.starlake.dagster.command_op import assets_of_outputs

if TYPE_CHECKING:
    from dagster import AssetKey

    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.dagster.assets.steps.earlier_attempts import KeptItem
    from ai.starlake.dagster.ops import Event
    from ai.starlake.project.assets.project_item import ProjectItem, Target

FAILED = "starlake/failed"
"""Metadata of a step's failure, with the failed items and the reasons."""


class StepProgress:
    """The progress of the items of a step, in this attempt and in earlier ones.

    Args:
        build: The keys of items.
        items: The items of the step, each after its dependencies.
        context: The context of the step.
    """

    def __init__(self, build: AssetBuild, items: Sequence[ProjectItem], context: OpExecutionContext) -> None:
        self._build = build
        self._context = context
        self._failed: dict[AssetKey, Failure] = {}
        self._names: list[str] = []
        self._stopped: dict[Target, str] = {}
        self._not_run: list[str] = []
        self._earlier = self._earlier_attempts(items) if len(items) > 1 else EarlierAttempts()
        self._kept = dict(self._without_what_is_made_again(items))

    def to_make(self, items: Sequence[ProjectItem]) -> list[ProjectItem]:
        """Return the selected items to materialize in this attempt, unless their dependencies fail."""
        selected = self._context.selected_asset_keys - self._earlier.failed.keys()
        return [item for item in items if self._build.key(item) in selected and not self.keeps(item)]

    def keeps(self, item: ProjectItem) -> bool:
        """Return True if an earlier attempt materialized an item, and all its dependencies within the step."""
        return item.target in self._kept

    def kept_events(self, item: ProjectItem) -> Iterator[Event]:
        """Yield the events of this run for an item that it keeps."""
        key = self._build.key(item)
        self._context.log.info(f"{item.full_name} is kept: an earlier attempt materialized it")
        output = assets_of_outputs(self._context)[key]
        yield from self._kept[item.target].events(output, self._context.selected_asset_check_keys)

    def may_run(self, item: ProjectItem) -> bool:
        """Return True if no dependency of an item failed in this step, and if the item may be retried."""
        reason = self._earlier.failed.get(self._build.key(item))
        if reason is not None:
            self.fail(item, Failure(reason, allow_retries=False))
            return False
        failed = next((self._stopped[target] for target in item.upstream if target in self._stopped), None)
        if failed is None:
            return True
        self._context.log.error(f"{item.full_name} is not run: {failed}, which it reads, failed")
        self._not_run.append(item.full_name)
        self._stopped[item.target] = item.full_name
        return False

    def fail(self, item: ProjectItem, failure: Failure) -> None:
        """Record the first failure of an item."""
        self._stopped[item.target] = item.full_name
        key = self._build.key(item)
        if key not in self._failed:
            self._failed[key] = failure
            self._names.append(item.full_name)

    def end(self) -> Iterator[Event]:
        """End the attempt; first record final failures, if a retry of the step may follow.

        Raises:
            Failure: If an item failed.
        """
        if not self._failed:
            return
        retry = any(failure.allow_retries for failure in self._failed.values())
        for key, failure in self._failed.items():
            if retry and not failure.allow_retries and key not in self._earlier.failed:
                yield failed_for_good(key, failure.description or "it failed")
        raise self._failure(allow_retries=retry) from next(iter(self._failed.values())).__cause__

    def _failure(self, *, allow_retries: bool) -> Failure:
        """Return the failure of the step, with the failed items and the reasons as metadata."""
        failures = list(self._failed.values())
        texts = [failure.description or "it failed" for failure in failures]
        metadata = {**failures[0].metadata} if len(failures) == 1 else {}
        metadata[FAILED] = MetadataValue.json(dict(zip(self._names, texts, strict=True)))
        if self._not_run:
            texts.append(f"not run, because what they read failed: {', '.join(self._not_run)}")
        return Failure("\n\n".join(dict.fromkeys(texts)), metadata=metadata, allow_retries=allow_retries)

    def _earlier_attempts(self, items: Sequence[ProjectItem]) -> EarlierAttempts:
        blocking = {check.key for check in self._build.check_specs(items) if check.blocking}
        return EarlierAttempts.of(self._context, blocking)

    def _without_what_is_made_again(self, items: Sequence[ProjectItem]) -> Iterator[tuple[Target, KeptItem]]:
        """Yield the kept items: not those that read an item that this attempt materializes again."""
        again: set[Target] = set()
        for item in items:
            key = self._build.key(item)
            if key in self._earlier.kept and not again.intersection(item.upstream):
                yield item.target, self._earlier.kept[key]
            elif key in self._context.selected_asset_keys:
                again.add(item.target)
