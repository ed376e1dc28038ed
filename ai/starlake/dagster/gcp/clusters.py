"""Ops that make and delete the Dataproc cluster of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dagster import AssetKey, AssetMaterialization, OpExecutionContext, Out

from ai.starlake.dagster.ops import Body, Event, outputs
from ai.starlake.dagster.run_command import CommandRunner, failures
from ai.starlake.dagster.run_info import is_dry_run
from ai.starlake.executor.protocol import Execution


class ClusterOwner(Protocol):
    """Makes and deletes the cluster of a run."""

    def create_cluster(self, execution: Execution) -> str:
        """Makes sure that the run has a cluster; returns its name."""
        ...

    def delete_cluster(self, execution: Execution) -> bool:
        """Deletes it; returns whether there was one to delete."""
        ...


@dataclass(frozen=True)
class ClusterBody(Body):
    """Makes or deletes the cluster of a run.

    Its name depends on the run alone, and is found when the op runs: every step of the run, and of the runs that
    re-execute it, comes to the same one.

    Args:
        runner: Knows the step.
        owner: Gives what makes and deletes clusters, in the process that runs the op.
        deletes: Whether the cluster is deleted rather than made.
        assets: What to record as materialized.
        outs: The outputs of the op.
    """

    runner: CommandRunner
    owner: Callable[[], ClusterOwner]
    deletes: bool
    assets: tuple[AssetKey, ...]
    outs: Mapping[str, Out] = field(hash=False)

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Runs within an op."""
        if is_dry_run(context):
            context.log.info(f"dry run: no cluster is {'deleted' if self.deletes else 'created'}")
            yield from outputs(self.outs, context.op_def.name)
            return
        with failures():
            value = self._act(self.runner.execution(context))
        yield from (AssetMaterialization(asset) for asset in self.assets)
        yield from outputs(self.outs, value)

    def _act(self, execution: Execution) -> str:
        owner = self.owner()
        if not self.deletes:
            return owner.create_cluster(execution)
        return "deleted" if owner.delete_cluster(execution) else "nothing to delete"
