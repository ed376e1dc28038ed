"""Orchestrations by the orchestrator of their job."""

from __future__ import annotations

from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.plug_ins import ORCHESTRATORS, load, plug_ins
from ai.starlake.job import IStarlakeJob
from ai.starlake.orchestration.facade import AbstractOrchestration


class OrchestrationFactory:
    """Makes the orchestration for a job. Only the module of that one is imported."""

    @classmethod
    def create_orchestration(cls, job: IStarlakeJob[Any], **kwargs: Any) -> AbstractOrchestration[Any]:
        """Make an orchestration, to be used in a ``with`` statement.

        Args:
            job: Makes what the tasks of its pipelines run.
            **kwargs: What the class of the orchestration takes.

        Raises:
            StarlakeError: If no installed package has an orchestration for the job.
        """
        orchestrator = str(job.sl_orchestrator())
        orchestrators = plug_ins(ORCHESTRATORS)
        if orchestrator not in orchestrators:
            raise StarlakeError(
                f"{type(job).__name__} is for {orchestrator}, which runs no pipelines here",
                cause=f"installed orchestrators: {', '.join(orchestrators) or 'none'}",
                fix=f"use a job for {' or '.join(orchestrators)}" if orchestrators else "install starlake-jobs again",
            )
        chosen = load(orchestrators[orchestrator], f"running pipelines with {orchestrator}")
        made: AbstractOrchestration[Any] = chosen(job, **kwargs)
        return made
