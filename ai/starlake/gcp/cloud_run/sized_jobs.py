"""Cloud Run jobs with the sizes of a compute profile.

An execution cannot have other CPUs or memory than its job: the service allows overrides of arguments, environment,
tasks and timeout only. So each profile with such sizes has a job of its own, made from the job of the options. An idle
job costs nothing: it stays for the next run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.executor.remote.identity import LABEL_COMPUTE, cut, slug
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.google_errors import AlreadyExistsError, NotFoundError
from ai.starlake.job import ComputeProfile

if TYPE_CHECKING:
    from google.cloud import run_v2

LABEL_MADE_FROM = "starlake-made-from"
"""A digest of the base job and of the sizes: if it changes, the job is updated."""
_NAME_LIMIT = 49
"""Maximum characters of the name of a job; Cloud Run appends to it to name executions."""
_READY_TIMEOUT = 300.0


def job_of(profile: ComputeProfile | None, base: str) -> str:
    """Return the name of the Cloud Run job whose executions have the sizes of a profile.

    Args:
        profile: The profile.
        base: The job of the options.
    """
    if profile is None:
        return base
    if profile.cloud_run.job:
        return profile.cloud_run.job
    return cut(f"{base}-{slug(profile.name)}", _NAME_LIMIT) if is_made(profile) else base


def is_made(profile: ComputeProfile | None) -> bool:
    """Return True if the job of a profile is made from another job."""
    return profile is not None and not profile.cloud_run.job and bool(_limits(profile))


def _limits(profile: ComputeProfile) -> dict[str, str]:
    sizes = profile.cloud_run
    return {name: value for name, value in (("cpu", sizes.cpu), ("memory", sizes.memory)) if value}


class SizedJobs:
    """Creates the jobs of profiles in one region.

    Args:
        calls: Makes the calls.
        clients: Google's clients.
        base: The job of the options.
        container: The container that gets the sizes, if the job has several.
    """

    def __init__(self, calls: Calls, clients: GcpClients, base: str, container: str = "") -> None:
        self._calls = calls
        self._clients = clients
        self._base = base
        self._container = container
        self._place = f"projects/{clients.project}/locations/{clients.region}"

    def ensure(self, profile: ComputeProfile) -> None:
        """Make sure that a job with the sizes of a profile exists, made from the current base job.

        Raises:
            StarlakeError: If another job has this name, or if the job does not become ready.
            GcpCallError: If Cloud Run refuses a call.
        """
        name = job_of(profile, self._base)
        wanted = self._sized(self._get(self._base), profile, name)
        try:
            known = self._get(name)
        except NotFoundError:
            known = self._created(wanted, name)
        self._require_ours(known, name, profile)
        if known.labels.get(LABEL_MADE_FROM) != wanted.labels[LABEL_MADE_FROM]:
            self._calls.report.info(f"Cloud Run job {name} is changed: {self._base} or its sizes have changed")
            what = f"change Cloud Run job {name}"
            self._calls.repeat(self._clients.run_jobs.update_job, {"job": wanted}, what=what)
        self._await_ready(name)

    def _get(self, job: str) -> run_v2.Job:
        request = {"name": f"{self._place}/jobs/{job}"}
        return self._calls.read(self._clients.run_jobs.get_job, request, what=f"read Cloud Run job {job}")

    def _created(self, wanted: run_v2.Job, name: str) -> run_v2.Job:
        from google.cloud import run_v2

        self._calls.report.info(f"Cloud Run job {name} is made from {self._base}")
        new = run_v2.Job(wanted)
        new.name = ""
        request = {"parent": self._place, "job_id": name, "job": new}
        try:
            self._calls.repeat(self._clients.run_jobs.create_job, request, what=f"create Cloud Run job {name}")
        except AlreadyExistsError:
            self._calls.report.info(f"Cloud Run job {name} was created by another process")
        return self._get(name)

    def _sized(self, base: run_v2.Job, profile: ComputeProfile, name: str) -> run_v2.Job:
        """Return the definition of the job of a profile, without the fields that the service fills in."""
        from google.cloud import run_v2

        template = run_v2.ExecutionTemplate(base.template)
        container = self._container_of(template.template)
        limits = {**container.resources.limits, **_limits(profile)}
        container.resources.limits = limits
        described = json.dumps([run_v2.ExecutionTemplate.to_json(template, sort_keys=True), name])
        labels = {
            **base.labels,
            LABEL_COMPUTE: profile.name,
            LABEL_MADE_FROM: hashlib.sha256(described.encode()).hexdigest()[:32],
        }
        fields: dict[str, Any] = {
            "name": f"{self._place}/jobs/{name}",
            "labels": labels,
            "template": template,
            "launch_stage": base.launch_stage,
            "binary_authorization": base.binary_authorization,
        }
        return run_v2.Job(fields)

    def _container_of(self, template: run_v2.TaskTemplate) -> run_v2.Container:
        named = [one for one in template.containers if self._container in ("", one.name)]
        if len(named) == 1:
            return named[0]
        raise StarlakeError(
            f"Cloud Run job {self._base} has {len(template.containers)} containers",
            cause="it is unknown which of them has the sizes of the compute profile",
            fix="set option cloud_run_container to the one that runs Starlake",
        )

    def _require_ours(self, job: run_v2.Job, name: str, profile: ComputeProfile) -> None:
        if job.labels.get(LABEL_COMPUTE) == profile.name:
            return
        raise StarlakeError(
            f"there is a Cloud Run job {name} that was not made for compute profile {profile.name}",
            cause=f"it has no label {LABEL_COMPUTE}={profile.name}, and is left as it is",
            fix=f"set cloud_run.job of profile {profile.name} to {name} if it has the sizes, or rename one of them",
        )

    def _await_ready(self, name: str) -> None:
        from google.cloud import run_v2

        late = StarlakeError(
            f"Cloud Run job {name} does not become ready",
            fix="check its image, its service account and its sizes in Google's console",
        )
        progress = self._calls.progress(f"Cloud Run job {name}", timeout=_READY_TIMEOUT)
        while True:
            job = self._get(name)
            condition = job.terminal_condition
            if condition.state == run_v2.Condition.State.CONDITION_FAILED and not job.reconciling:
                raise StarlakeError(f"Cloud Run refuses job {name}", cause=condition.message or None, fix=late.fix)
            if not job.reconciling:
                return
            progress.pause(late)


def sizes_of(profile: ComputeProfile | None) -> Mapping[str, str]:
    """Return the sizes of the executions of a profile."""
    return profile.sizes("cloud_run") if profile else {}
