from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import psutil
import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.future.polling import DEFAULT_POLLING
from google.auth.credentials import AnonymousCredentials
from google.cloud import dataproc_v1, run_v2, storage

from starlake_gcp_emulator import Emulator, GcpEmulator, ManualClock
from tests.waiting import wait_for

PROJECT, REGION = "p", "europe-west1"
JOB = f"projects/{PROJECT}/locations/{REGION}/jobs/j"
SCRIPT = """
case "$1" in
  say) shift; echo "$@" ;;
  tell) printenv "$2" ;;
  fail) echo "it does not work" >&2; exit 3 ;;
  hang) echo "$$"; sleep 600 & wait ;;
  linger) trap 'until test -e "$2"; do sleep 0.05; done; exit 1' TERM; echo "$$"; sleep 600 & wait ;;
  once) echo again >> "$2"; test "$(wc -l < "$2")" -gt "$3" ;;
esac
"""
COMMAND = ("/bin/sh", "-c", SCRIPT, "sh")


def quick(operation: Any) -> Any:
    """Lets `result()` look fifty times a second, not once."""
    operation._polling = DEFAULT_POLLING.with_delay(initial=0.02, maximum=0.02)
    return operation


@dataclass
class Api:
    """Google's own clients, and requests that are right but for what a test changes."""

    clusters: dataproc_v1.ClusterControllerClient
    jobs: dataproc_v1.JobControllerClient
    run_jobs: run_v2.JobsClient
    executions: run_v2.ExecutionsClient

    def create(self, name: str = "c", *, request_id: str = "", labels: dict | None = None, **config: Any) -> Any:
        request = {
            "project_id": PROJECT,
            "region": REGION,
            "cluster": {"cluster_name": name, "config": config, "labels": labels or {}},
            "request_id": request_id,
        }
        return quick(self.clusters.create_cluster(request=request, retry=None))

    def get(self, name: str = "c") -> dataproc_v1.Cluster:
        return self.clusters.get_cluster(project_id=PROJECT, region=REGION, cluster_name=name, retry=None)

    def update(self, paths: list[str], name: str = "c", **cluster: Any) -> Any:
        request = {"project_id": PROJECT, "region": REGION, "cluster_name": name, "cluster": cluster}
        return quick(self.clusters.update_cluster(request={**request, "update_mask": {"paths": paths}}, retry=None))

    def delete(self, name: str = "c", **rest: Any) -> Any:
        request = {"project_id": PROJECT, "region": REGION, "cluster_name": name, **rest}
        return quick(self.clusters.delete_cluster(request=request, retry=None))

    def submit(
        self, *args: str, cluster: str = "c", job_id: str = "", request_id: str = "", **rest: Any
    ) -> dataproc_v1.Job:
        spark = {"main_class": "ai.starlake.job.Main", "args": list(args), **rest.pop("spark", {})}
        job = {"reference": {"job_id": job_id}, "placement": {"cluster_name": cluster}, "spark_job": spark, **rest}
        request = {"project_id": PROJECT, "region": REGION, "job": job, "request_id": request_id}
        return self.jobs.submit_job(request=request, retry=None)

    def job(self, job_id: str) -> dataproc_v1.Job:
        return self.jobs.get_job(project_id=PROJECT, region=REGION, job_id=job_id, retry=None)

    def cancel(self, job_id: str) -> dataproc_v1.Job:
        return self.jobs.cancel_job(project_id=PROJECT, region=REGION, job_id=job_id, retry=None)

    def run(self, *args: str, env: dict[str, str] | None = None, **overrides: Any) -> Any:
        container = {"args": list(args), "env": [{"name": name, "value": value} for name, value in (env or {}).items()]}
        request = {"name": JOB, "overrides": {"container_overrides": [container], **overrides}}
        return quick(self.run_jobs.run_job(request=request))


def over_grpc(gcp: Emulator, channel: grpc.Channel) -> Api:
    from google.cloud.dataproc_v1.services.cluster_controller.transports import ClusterControllerGrpcTransport
    from google.cloud.dataproc_v1.services.job_controller.transports import JobControllerGrpcTransport
    from google.cloud.run_v2.services.executions.transports import ExecutionsGrpcTransport
    from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport

    return Api(
        dataproc_v1.ClusterControllerClient(transport=ClusterControllerGrpcTransport(channel=channel)),
        dataproc_v1.JobControllerClient(transport=JobControllerGrpcTransport(channel=channel)),
        run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel)),
        run_v2.ExecutionsClient(transport=ExecutionsGrpcTransport(channel=channel)),
    )


def over_rest(gcp: Emulator) -> Api:
    from google.cloud.dataproc_v1.services.cluster_controller.transports import ClusterControllerRestTransport
    from google.cloud.dataproc_v1.services.job_controller.transports import JobControllerRestTransport
    from google.cloud.run_v2.services.executions.transports import ExecutionsRestTransport
    from google.cloud.run_v2.services.jobs.transports import JobsRestTransport

    where = {
        "host": gcp.rest_endpoint.removeprefix("http://"),
        "url_scheme": "http",
        "credentials": AnonymousCredentials(),
    }
    return Api(
        dataproc_v1.ClusterControllerClient(transport=ClusterControllerRestTransport(**where)),
        dataproc_v1.JobControllerClient(transport=JobControllerRestTransport(**where)),
        run_v2.JobsClient(transport=JobsRestTransport(**where)),
        run_v2.ExecutionsClient(transport=ExecutionsRestTransport(**where)),
    )


@pytest.fixture
def connect() -> Iterator[Callable[[Emulator], Api]]:
    """Yield a function that makes clients over gRPC."""
    channels: list[grpc.Channel] = []

    def make(gcp: Emulator) -> Api:
        options = [("grpc.enable_http_proxy", 0)]
        channels.append(grpc.insecure_channel(gcp.endpoint.removeprefix("http://"), options=options))
        return over_grpc(gcp, channels[-1])

    yield make
    for channel in channels:
        channel.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def gcp(clock: ManualClock) -> Iterator[GcpEmulator]:
    with GcpEmulator(COMMAND, clock=clock, speed=3000, grace=1) as emulator:
        emulator.add_job(JOB, max_retries=0)
        yield emulator


@pytest.fixture(params=["grpc", "rest"])
def api(request: pytest.FixtureRequest, gcp: GcpEmulator, connect: Callable[[Emulator], Api]) -> Api:
    return over_rest(gcp) if request.param == "rest" else connect(gcp)


@pytest.fixture
def grpc_api(gcp: GcpEmulator, connect: Callable[[Emulator], Api]) -> Api:
    return connect(gcp)


@pytest.fixture
def read(gcp: GcpEmulator) -> Callable[[str], str]:
    """Return a function that reads an object of the storage emulator."""
    client = storage.Client(
        project=PROJECT,
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=gcp.storage_endpoint),
    )

    def text(uri: str) -> str:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        return str(client.bucket(bucket).blob(name).download_as_bytes().decode())

    return text


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Return True if nothing of a group of processes runs, after waiting for it for some seconds at most."""

    def runs(process: psutil.Process, group: int) -> bool:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
        return False

    def wait(group: int) -> bool:
        wait_for(f"the end of group {group}", lambda: not any(runs(one, group) for one in psutil.process_iter()))
        return True

    return wait
