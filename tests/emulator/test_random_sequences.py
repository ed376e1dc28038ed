"""With any requests to Dataproc in any order, clusters end by their times to live and processes end with them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import grpc
from google.api_core import exceptions
from google.cloud import dataproc_v1
from google.cloud.dataproc_v1.services.cluster_controller.transports import ClusterControllerGrpcTransport
from google.cloud.dataproc_v1.services.job_controller.transports import JobControllerGrpcTransport
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from starlake_gcp_emulator import ClusterView, GcpEmulator, ManualClock
from tests.waiting import is_alive

PLACE = {"project_id": "p", "region": "r"}
NAMES = st.sampled_from(["a", "b"])
IDLE, AGE = 600, 3600
FINAL = {"DONE", "ERROR", "CANCELLED"}


class Sequence(RuleBasedStateMachine):
    """Random calls; a refusal is an answer like any other, a failure of the emulator is not."""

    def __init__(self) -> None:
        super().__init__()
        command = ("/bin/sh", "-c", 'test "$1" = short || { echo $$; sleep 600 & wait; }', "sh")
        self.gcp = GcpEmulator(command, clock=ManualClock(), speed=100_000, grace=1)
        self.gcp.start()
        self.channel = grpc.insecure_channel(self.gcp.endpoint.removeprefix("http://"))
        self.clusters = dataproc_v1.ClusterControllerClient(
            transport=ClusterControllerGrpcTransport(channel=self.channel)
        )
        self.jobs = dataproc_v1.JobControllerClient(transport=JobControllerGrpcTransport(channel=self.channel))

    def ask(self, method: Any, **request: Any) -> None:
        with suppress(exceptions.NotFound, exceptions.Conflict, exceptions.FailedPrecondition):
            method(request={**PLACE, **request}, retry=None)

    @rule(name=NAMES, again=st.booleans())
    def create(self, name: str, again: bool) -> None:
        lifetimes = {"idle_delete_ttl": {"seconds": IDLE}, "auto_delete_ttl": {"seconds": AGE}}
        cluster = {"cluster_name": name, "config": {"lifecycle_config": lifetimes}}
        request_id = "the-same" if again else ""
        self.ask(self.clusters.create_cluster, cluster=cluster, request_id=request_id)

    @rule(name=NAMES, kind=st.sampled_from(["short", "long"]))
    def submit(self, name: str, kind: str) -> None:
        spark = {"main_class": "ai.starlake.job.Main", "args": [kind]}
        self.ask(self.jobs.submit_job, job={"placement": {"cluster_name": name}, "spark_job": spark})

    @precondition(lambda self: self.gcp.spark_jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from([view.name for view in self.gcp.spark_jobs]))
        self.ask(self.jobs.cancel_job, job_id=job)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self.ask(self.clusters.delete_cluster, cluster_name=name)

    @rule(seconds=st.sampled_from([1, IDLE - 1, IDLE, AGE]))
    def advance(self, seconds: int) -> None:
        self.gcp.advance(seconds)

    @rule()
    def settle(self) -> None:
        passing = {"CREATING", "DELETING"}
        self.gcp.wait_for(lambda gcp: not any(view.state in passing for view in gcp.all_clusters))

    @rule()
    def fail(self) -> None:
        self.gcp.fail_clusters()

    @invariant()
    def no_two_clusters_share_a_name(self) -> None:
        live = [view.name for view in self.gcp.all_clusters if view.state != "DELETED"]
        assert len(live) == len(set(live))

    @invariant()
    def no_cluster_outlives_its_age(self) -> None:
        assert not [view for view in self.gcp.all_clusters if self.is_due(view)]

    def is_due(self, view: ClusterView) -> bool:
        return view.state not in {"DELETING", "DELETED"} and self.gcp.clock.now() >= view.created + AGE

    def teardown(self) -> None:
        try:
            self.gcp.advance(AGE)
            self.gcp.wait_for(lambda gcp: not gcp.clusters)
            self.gcp.wait_for(lambda gcp: all(view.state in FINAL for view in gcp.spark_jobs))
            assert {call.outcome for call in self.gcp.journal} <= {
                "OK",
                "NOT_FOUND",
                "ALREADY_EXISTS",
                "FAILED_PRECONDITION",
            }
            assert all((view.state == "CANCELLED") <= (view.cancelled == 1) for view in self.gcp.spark_jobs)
        finally:
            self.channel.close()
            self.gcp.stop()
        assert not [line for view in self.gcp.spark_jobs for line in view.output if is_alive(int(line))]


TestSequences = Sequence.TestCase
TestSequences.settings = settings(max_examples=40, stateful_step_count=15)
