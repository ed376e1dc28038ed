"""The job that brings assets and checks up to date with the audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import GraphDefinition, JobDefinition, Nothing, OpExecutionContext, Out, in_process_executor

from ai.starlake.dagster.ops import Body, Event, OpSpec, outputs

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild

_DONE = {"result": Out(Nothing)}


def sync_job(build: FacadeBuild) -> JobDefinition:
    """Return the job that records the current state of every asset and check.

    Args:
        build: The items, and the audit.
    """
    name = build.name_of("sync")
    op = build.assets.ops.make(
        OpSpec(
            task_id=f"{name}_state",
            source="the synchronisation of a facade",
            body=SyncBody(build),
            outs=_DONE,
            description="Records the last success of each asset, its last outcome and the last results of its checks.",
            tags={"dagster/compute_kind": "starlake"},
        )
    )
    return GraphDefinition(
        name=build.assets.ops.claim(name, "the job that synchronises a facade"), node_defs=[op]
    ).to_job(
        description="Brings the assets and checks up to date with Starlake's audit.",
        executor_def=in_process_executor,
    )


@dataclass(frozen=True, eq=False)
class SyncBody(Body):
    """The body of the op that records the current state.

    Args:
        build: The items, and the audit.
    """

    build: FacadeBuild

    def events(self, context: OpExecutionContext) -> Iterator[Event]:  # noqa: ARG002
        """Record the current state."""
        yield from outputs(_DONE, self.build.environment)
