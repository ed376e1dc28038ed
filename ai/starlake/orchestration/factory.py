"""Orchestrations by the orchestrator of their job."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.job import IStarlakeJob, StarlakeOrchestrator
from ai.starlake.orchestration.orchestration import AbstractOrchestration


class OrchestrationFactory:
    """Makes the orchestration for a job. Only the module of that one is imported."""

    _classes: Mapping[str, str] = {"dagster": "ai.starlake.dagster.pipelines:DagsterOrchestration"}

    @classmethod
    def register(cls, orchestrator: StarlakeOrchestrator | str, orchestration_class: str) -> None:
        """Adds a class of orchestrations, or puts it in the place of the one that is known.

        Args:
            orchestrator: The orchestrator that it is for.
            orchestration_class: Where the class is: ``package.module:Class``.
        """
        cls._classes = {**cls._classes, str(orchestrator): orchestration_class}

    @classmethod
    def create_orchestration(cls, job: IStarlakeJob[Any], **kwargs: Any) -> AbstractOrchestration[Any]:
        """Makes an orchestration, to be used in a ``with`` statement.

        Args:
            job: Makes what the tasks of its pipelines run.
            **kwargs: What the class of the orchestration takes.

        Raises:
            StarlakeError: If this package knows no orchestration for the job.
        """
        orchestrator = str(job.sl_orchestrator())
        path = cls._classes.get(orchestrator)
        if path is None:
            raise StarlakeError(
                f"{type(job).__name__} is for {orchestrator}, which runs no pipelines here",
                fix=f"use a job for {' or '.join(cls._classes)}",
            )
        module, _, name = path.partition(":")
        made: AbstractOrchestration[Any] = getattr(importlib.import_module(module), name)(job, **kwargs)
        return made
