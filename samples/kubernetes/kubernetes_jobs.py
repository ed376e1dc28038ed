"""Run Starlake commands as Kubernetes Jobs: a backend of `RemoteExecutor`, and the factory of ops that uses it.

sl_job = StarlakeDagsterKubernetesJob(options={"kubernetes_image": "my/starlake", "sl_env_var": {...}})
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from kubernetes_api import CONFLICT, KubernetesApi, KubernetesError
from pydantic import Field

from ai.starlake.dagster.remote import StarlakeDagsterRemoteJob
from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.remote import (
    Handle,
    Phase,
    RemoteBackend,
    RemoteCallError,
    RemoteExecutor,
    RemoteRequest,
    RemoteState,
    Repeats,
    Search,
)
from ai.starlake.executor.remote.identity import (
    LABEL_ATTEMPT_RUN,
    LABEL_JOB,
    LABEL_RUN,
    LABEL_STEP,
    label_value,
    step_labels,
)
from ai.starlake.job import JobOptions
from ai.starlake.orchestration.project_reading import read_project


class KubernetesOptions(JobOptions):
    kubernetes_image: str = Field(description="an image whose entry point is Starlake")
    kubernetes_namespace: str = Field(default="default", description="the namespace of the Jobs")
    kubernetes_api: str = Field(default="https://kubernetes.default.svc", description="the address of the API server")
    kubernetes_pod: dict[str, Any] = Field(default={}, description="more fields of the pods, as Kubernetes names them")
    kubernetes_container: dict[str, Any] = Field(default={}, description="more fields of their containers")
    kubernetes_timeout: float | None = Field(default=None, description="timeout of a command, in seconds")
    poll_interval: float = Field(default=10, description="seconds between two polls")


class KubernetesJobs(RemoteBackend):
    """Runs each command as a Job with one pod. A command that is cancelled is a Job that is deleted."""

    noun = "Kubernetes job"
    key = "kubernetes"
    timeout_fix = "raise option kubernetes_timeout, or find out in the log of the pod what it waits for"

    def __init__(self, calls: Repeats, api: KubernetesApi, options: KubernetesOptions) -> None:
        self.calls, self.region = calls, options.kubernetes_namespace
        self._api, self._options = api, options
        self._jobs = f"/apis/batch/v1/namespaces/{quote(self.region)}/jobs"
        self._pods = f"/api/v1/namespaces/{quote(self.region)}/pods"

    def reference(self, request: RemoteRequest) -> str:
        return request.name(limit=63)  # it becomes a label of the pod

    def submit(self, request: RemoteRequest) -> Handle:
        name, metadata = self.reference(request), {"labels": step_labels(request.execution)}
        variables = [{"name": key, "value": value} for key, value in request.environment.items()]
        own = {"name": "starlake", "image": self._options.kubernetes_image, "args": list(request.arguments)}
        container = {**self._options.kubernetes_container, **own, "env": variables}
        pod = {"restartPolicy": "Never", **self._options.kubernetes_pod, "containers": [container]}
        # Kubernetes must not try again by itself: a load that failed has moved its files
        spec = {"backoffLimit": 0, "ttlSecondsAfterFinished": 86400, "template": {"metadata": metadata, "spec": pod}}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, **metadata}, "spec": spec}
        try:
            return self._handle(self._json(f"create job {name}", "POST", self._jobs, job))
        except KubernetesError as error:
            if error.code != CONFLICT or not (found := self._get(name)):
                raise
            return self._handle(found[0])  # the answer to an earlier call was lost, or its process was killed

    def find(self, search: Search) -> Iterator[Handle]:
        if search.reference is not None:
            yield from map(self._handle, self._get(search.reference))
            return
        wanted = {LABEL_RUN: search.root_run_id, LABEL_STEP: search.step_key}
        terms = [LABEL_RUN, *(f"{key}={label_value(value)}" for key, value in wanted.items() if value is not None)]
        jobs = self._json("list jobs", "GET", self._jobs, labelSelector=",".join(terms))["items"]
        yield from map(self._handle, sorted(jobs, key=lambda job: job["metadata"]["creationTimestamp"], reverse=True))

    def look(self, handle: Handle) -> RemoteState:
        state = next(map(_state, self._get(handle.id)), RemoteState(Phase.CANCELLED, "deleted"))
        if state.phase is not Phase.FAILED:
            return state
        ended = [one["state"].get("terminated") for pod in self.pods(handle) for one in pod["containerStatuses"]]
        return RemoteState(state.phase, state.text, next((one["exitCode"] for one in ended if one), 1), state.verdict)

    def cancel(self, handle: Handle) -> bool:
        if self.look(handle).is_over:
            return False
        path = f"{self._jobs}/{handle.id}"  # in the foreground: the Job stays until its pod has ended
        self._json(f"delete job {handle.id}", "DELETE", path, propagationPolicy="Foreground")
        return True

    def output(self, handle: Handle, output: CommandOutput) -> PodLog:
        return PodLog(self, handle, output)

    def pods(self, handle: Handle) -> list[dict[str, Any]]:
        items = self._json("list pods", "GET", self._pods, labelSelector=f"job-name={handle.id}")["items"]
        return [{"name": pod["metadata"]["name"], "containerStatuses": [], **pod["status"]} for pod in items]

    def log(self, pod: str, **query: str) -> str:
        return self._call("read the log", "GET", f"{self._pods}/{quote(pod)}/log", timestamps="true", **query)

    def _get(self, name: str) -> list[dict[str, Any]]:
        try:
            return [self._json(f"look at job {name}", "GET", f"{self._jobs}/{quote(name)}")]
        except KubernetesError as error:
            if error.missing:
                return []
            raise

    def _json(self, *call: Any, **query: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._call(*call, **query))
        return answer

    def _call(self, what: str, *call: Any, **query: str) -> str:
        return self.calls.repeated(partial(self._api.call, what, *call, **query), what=what)

    def _handle(self, job: dict[str, Any]) -> Handle:
        name, labels = job["metadata"]["name"], job["metadata"]["labels"]
        return Handle(
            id=name,
            name=name,
            arguments=tuple(job["spec"]["template"]["spec"]["containers"][0].get("args", [])),
            run_id=labels.get(LABEL_ATTEMPT_RUN, ""),
            root_run_id=labels[LABEL_RUN],
            state=_state(job),
            created=datetime.fromisoformat(job["metadata"]["creationTimestamp"].replace("Z", "+00:00")),
            belongs_to=labels.get(LABEL_JOB, ""),
            timeout=self._options.kubernetes_timeout,
        )


class PodLog:
    """The log of the pod of a Job. Kubernetes knows seconds only: the last one is read again, and its lines known."""

    def __init__(self, jobs: KubernetesJobs, handle: Handle, output: CommandOutput) -> None:
        self._jobs, self._handle, self._output = jobs, handle, output
        self._query: dict[str, str] = {}
        self._known: set[str] = set()

    def advance(self, state: RemoteState) -> None:
        try:
            names = [pod["name"] for pod in self._jobs.pods(self._handle) if pod["phase"] != "Pending"]
            lines = [line for name in names for line in self._jobs.log(name, **self._query).split("\n") if line]
        except RemoteCallError as error:
            if state.is_over:
                self._jobs.calls.report.warning(f"the output of job {self._handle.id} cannot be read: {error}")
            return
        for line in lines:
            if line not in self._known:
                self._output.take("stdout", line.partition(" ")[2])
        if lines:
            last = lines[-1][: len("2026-01-01T00:00:00")]
            self._query, self._known = {"sinceTime": f"{last}Z"}, {line for line in lines if line.startswith(last)}

    def finish(self, state: RemoteState) -> None:
        """Do nothing: the poll that found the end of the command has read the rest."""


class StarlakeDagsterKubernetesJob(StarlakeDagsterRemoteJob[KubernetesOptions]):
    options_model: ClassVar[type[JobOptions]] = KubernetesOptions
    service, where = "kubernetes", "on Kubernetes"

    def make_executor(self) -> RemoteExecutor:
        options = self.settings
        connect = partial(KubernetesJobs, api=KubernetesApi(options.kubernetes_api), options=options)
        facts = partial(read_project, files=options.files)
        return RemoteExecutor(connect, interval=options.poll_interval, facts=facts)


def _state(job: dict[str, Any]) -> RemoteState:
    status = job.get("status", {})
    reached = {one["type"]: one for one in status.get("conditions", []) if one["status"] == "True"}
    if "Complete" in reached:
        return RemoteState(Phase.SUCCEEDED, "Complete", 0)
    if "Failed" in reached:
        return RemoteState(Phase.FAILED, "Failed", verdict=reached["Failed"].get("message", ""))
    if "deletionTimestamp" in job["metadata"]:
        return RemoteState(Phase.ENDING, "being deleted")
    return RemoteState(Phase.ACTIVE, "running" if status.get("active") else "waiting for its start")
