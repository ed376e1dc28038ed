"""Re-execution of runs, by each strategy that Dagster's UI and daemon offer."""

from __future__ import annotations

import inspect
from pathlib import Path

from dagster import DagsterInstance, DagsterRun
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.api import execute_run
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._core.test_utils import in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

STRATEGIES = [strategy.name for strategy in ReexecutionStrategy]
"""``ALL_STEPS``, ``FROM_FAILURE`` and, where Dagster has it, ``FROM_ASSET_FAILURE``."""


def reexecute(instance: DagsterInstance, file: Path, run_id: str, strategy: str) -> DagsterRun:
    """Run again what a strategy chooses of a run, in this process.

    Args:
        instance: The instance; one that keeps its events.
        file: The Python file of the code location.
        run_id: The run.
        strategy: One of `STRATEGIES`.
    """
    parent = instance.get_run_by_id(run_id)
    with in_process_test_workspace(instance, LoadableTargetOrigin(python_file=str(file))) as workspace:
        location = workspace.code_locations[0]
        (repository,) = location.get_repositories().values()
        find = getattr(repository, "get_full_job", None) or repository.get_full_external_job
        arguments = {
            "parent_run": parent,
            "code_location": location,
            "remote_job": find(parent.job_name),
            "strategy": ReexecutionStrategy[strategy],
        }
        if "request_context" in inspect.signature(instance.create_reexecuted_run).parameters:
            arguments["request_context"] = workspace
        run = instance.create_reexecuted_run(**arguments)
    job = ReconstructableRepository.for_file(str(file), "defs").get_reconstructable_job(parent.job_name)
    subset = job.get_subset(asset_selection=run.asset_selection, asset_check_selection=run.asset_check_selection)
    execute_run(subset, run, instance)
    return instance.get_run_by_id(run.run_id)
