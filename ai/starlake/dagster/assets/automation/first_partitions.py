"""The first partition of a table is materialized alone: two runs that both create the table would conflict.

A run joins a queue in Dagster's storage, which all runs share, wherever they are. The first in the queue continues; the
others wait until the table is created, and then run concurrently. The place of a run that has ended, however it ended,
is free.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import AssetKey, DagsterInstance, Failure, OpExecutionContext

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.steps.outcome_events import NOTHING_TO_LOAD
from ai.starlake.dagster.run_info import is_dry_run

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem

_LINE = "starlake/first_partition/"
"""Prefix of the names of queues. Each is a set of dynamic partitions, which Dagster keeps in insertion order."""
_SETTLED = 0.05
"""Seconds after which a place is visible to the runs behind it: a database may show a later one before it."""
_SHORTEST, _LONGEST = 0.1, 5.0


@contextmanager
def first_partition_alone(
    build: AssetBuild, items: Sequence[ProjectItem], context: OpExecutionContext
) -> Iterator[None]:
    """Wait while another run makes the first partition of an item; then let other runs wait for this one.

    Args:
        build: The keys and the partitions of items, and the timeout.
        items: The items to materialize.
        context: The context of the step.

    Raises:
        Failure: If the other run takes too long.
    """
    keys = sorted(build.key(item) for item in items if build.partitions[item.target] is not None)
    with ExitStack() as places:
        if not is_dry_run(context):
            for key in keys:  # in one order, so that two steps do not wait for each other
                places.enter_context(_alone(key, context, build.options.first_partition_timeout))
        yield


@contextmanager
def _alone(key: AssetKey, context: OpExecutionContext, timeout: float) -> Iterator[None]:
    instance = context.instance
    if _is_made(instance, key):
        yield
        return
    line = _Line(instance, key, context.run.run_id)
    line.join()
    try:
        _wait(line, context, timeout)
        yield
    finally:
        line.leave()


def _wait(line: _Line, context: OpExecutionContext, timeout: float) -> None:
    begin, pause, told = time.monotonic(), _SHORTEST, ""
    time.sleep(_SETTLED)
    while (first := line.first()) is not None and not _is_made(line.instance, line.key):
        name = "/".join(line.key.path)
        if first != told:
            context.log.info(f"waits for run {first}, which makes the first partition of {name}")
            told = first
        if time.monotonic() - begin > timeout:
            error = StarlakeError(
                f"{name} was not made within {timeout:g} seconds",
                cause=f"run {first} makes its first partition and has not ended",
                fix="check that run, and end it if it hangs; or raise the option first_partition_timeout",
            )
            raise Failure(str(error)) from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST)


def _is_made(instance: DagsterInstance, key: AssetKey) -> bool:
    """Return True if a table exists: if its last record is not one without anything to load."""
    entry = instance.get_latest_materialization_event(key)
    made = _compat.recorded_materialization(entry) if entry else None
    return made is not None and NOTHING_TO_LOAD not in made.metadata


@dataclass(frozen=True)
class _Line:
    """Queue of the runs that are about to make the first partition of an asset, in order of arrival.

    Args:
        instance: The storage that the runs share.
        key: The asset.
        run_id: This run.
    """

    instance: DagsterInstance
    key: AssetKey
    run_id: str

    @property
    def name(self) -> str:
        """Name of the queue in the storage."""
        return _LINE + "/".join(self.key.path)

    def join(self) -> None:
        """Take the last place; a run that is already in the queue keeps its place."""
        self.instance.add_dynamic_partitions(self.name, [self.run_id])

    def leave(self) -> None:
        """Give up the place."""
        self.instance.delete_dynamic_partition(self.name, self.run_id)

    def first(self) -> str | None:
        """Return the run before this one; None if this run may continue."""
        for run_id in self.instance.get_dynamic_partitions(self.name):
            if run_id == self.run_id:
                return None
            run = self.instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                return run_id
            self.instance.delete_dynamic_partition(self.name, run_id)
        return None
