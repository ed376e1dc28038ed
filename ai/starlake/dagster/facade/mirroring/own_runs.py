"""Runs of this Dagster instance: those in the audit, and those that mirror it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from dagster import RunsFilter

from ai.starlake.dagster.facade.mirroring.outside_references import MIRRORS_TAG

if TYPE_CHECKING:
    from dagster import DagsterInstance

_RUN = re.compile(r"(?P<run>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\..+", re.DOTALL)
"""JOBID of a command of a step; see `Execution.job_id`."""


def own_job_ids(instance: DagsterInstance, job_ids: Collection[str]) -> set[str]:
    """Return the JOBIDs of commands of an instance's runs, found by one query.

    Args:
        instance: The instance.
        job_ids: The JOBIDs in the audit.
    """
    runs = {job_id: found["run"] for job_id in job_ids if (found := _RUN.fullmatch(job_id))}
    if not runs:
        return set()
    records = instance.get_run_records(RunsFilter(run_ids=sorted(set(runs.values()))))
    there = {record.dagster_run.run_id for record in records}
    return {job_id for job_id, run_id in runs.items() if run_id in there}


def mirrored_already(instance: DagsterInstance, digests: Collection[str]) -> dict[str, str]:
    """Return the ids of runs that mirror the same as others would, found by one query.

    Args:
        instance: The instance.
        digests: The values of `MIRRORS_TAG` of the others.
    """
    if not digests:
        return {}
    records = instance.get_run_records(RunsFilter(tags={MIRRORS_TAG: sorted(digests)}))
    return {record.dagster_run.tags[MIRRORS_TAG]: record.dagster_run.run_id for record in records}
