"""The job that mirrors a run outside: a step for each table or task, with the outcome of the remote one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import GraphDefinition, JobDefinition, Nothing, OpExecutionContext, Out, in_process_executor

from ai.starlake.dagster.ops import Body, Event, OpSpec, outputs

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild

_DONE = {"result": Out(Nothing)}


def mirror_job(build: FacadeBuild) -> JobDefinition:
    """Return the job that mirrors a run outside.

    Args:
        build: The items, and the audit.
    """
    name = build.name_of("mirror")
    op = build.assets.ops.make(
        OpSpec(task_id=f"{name}_outcomes", source="the mirror of a facade", body=MirrorBody(build), outs=_DONE)
    )
    return GraphDefinition(
        name=build.assets.ops.claim(name, "the job that mirrors runs outside"), node_defs=[op]
    ).to_job(
        description="Mirrors a run of Starlake that was started outside of Dagster.",
        executor_def=in_process_executor,
    )


@dataclass(frozen=True, eq=False)
class MirrorBody(Body):
    """The body of the op that reads a run outside.

    Args:
        build: The items, and the audit.
    """

    build: FacadeBuild

    def events(self, context: OpExecutionContext) -> Iterator[Event]:  # noqa: ARG002
        """Read the run outside."""
        yield from outputs(_DONE, self.build.environment)
