"""Random sequences of faults, interruptions and kills: nothing leaks, nothing is doubled, and no result is false."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor import CommandFailedError
from starlake_gcp_emulator import GcpEmulator

METHODS = (
    "CreateCluster",
    "GetCluster",
    "GetOperation",
    "DeleteCluster",
    "SubmitJob",
    "GetJob",
    "ListJobs",
    "CancelJob",
)
TRANSIENT = ("UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "UNKNOWN", "CANCELLED")
SEQUENCES, BATCHES = 75, 3
"""A sequence takes about a second, most of it waiting; the trial `remote_faults` of `make soak` plays hundreds."""
ENDED = {"DONE", "ERROR", "CANCELLED"}
RUN = "{:08x}-0000-4000-8000-000000000000"

DRIVER = [
    "/bin/sh",
    "-c",
    """
    lock=$MY_FOLDER/$4
    mkdir "$lock" || { echo "$4" >> "$MY_FOLDER/overlaps"; exit 99; }
    trap 'rmdir "$lock"' EXIT
    trap 'trap "" TERM; exit 143' TERM
    sleep "$5" & wait $!
    trap "" TERM
    test "$6" = 0 && echo "$4" >> "$MY_FOLDER/done"
    exit "$6"
    """,
    "driver",
]
"""Script in place of Spark: it records the end of its work, and concurrent work.

A signal to its group that arrives at its end must not end `rmdir`: the lock would look like concurrent work.
"""


class Interruption(BaseException):
    """An exception that Dagster raises at any time."""


@pytest.fixture
def gcp(tmp_path):
    with GcpEmulator(command=DRIVER, speed=3000, grace=5) as emulator:
        yield emulator


def running(gcp):
    return {job.name for job in gcp.spark_jobs if job.state not in ENDED}


class Sequence:
    """One run under random faults.

    Args:
        bench: The executor and the emulator.
        seed: Makes the choices.
        folder: Where drivers leave their notes.
    """

    def __init__(self, bench, seed, folder):
        self.choice = random.Random(seed)
        self.folder = folder
        self.bench = replace(bench, report=type(bench.report)(), options={"outage_tolerance": 0.5})
        self.run_id = RUN.format(seed)
        self.said: dict[str, tuple[str, str | None]] = {}
        self.reports = []
        self.made = False

    def play(self):
        """Run the ops of a run, as far as they succeed, with retries; then what cleans up after it."""
        self.order_faults()
        steps = ["first", "second"][: self.choice.randint(1, 2)]
        try:
            self.with_retries("create", lambda executor, execution: executor.ensure(execution))
            self.made = True
            with ThreadPoolExecutor(2) as threads:
                others = [threads.submit(self.load, step) for step in steps[1:]]
                self.load(steps[0])
            for other in others:
                other.result()
        finally:
            self.bench.gcp.clear_faults()
            self.clean_up()

    def load(self, step):
        doomed = self.choice.choice([None, None, None, "submitted to cluster", "Spark job"])
        fails = self.choice.choice([0, 0, 0, 3])
        seconds = self.choice.choice(["0", "0.05", "0.2"]) if doomed is None else "60"
        command = self.bench.transform(f"{self.run_id}.{step}", seconds, str(fails), MY_FOLDER=str(self.folder))
        try:
            result = self.with_retries(step, lambda executor, execution: executor.run(command, execution), doomed)
        except Interruption:
            self.said[step] = ("interrupted", None)
        else:
            self.said[step] = result

    def with_retries(self, step, action, doomed=None):
        for attempt in range(12):
            report = type(self.bench.report)()
            self.reports.append(report)
            bench = replace(self.bench, report=report)
            self.interrupt(report, doomed)
            execution = bench.execution(self.run_id, step, attempt=attempt)
            try:
                result = action(bench.executor(), execution)
            except CommandFailedError as error:
                return "failure", error.remote_id
            except StarlakeError:
                self.outage_may_end()
            else:
                return "success", getattr(result, "remote_id", None)
        raise AssertionError(f"{step} does not get anywhere")

    def interrupt(self, report, doomed):
        """Interrupts an attempt once, when something is said; if it is not doomed, seldom."""
        moment = doomed or self.choice.choice([None] * 20 + ["creating", "CREATING", "submitted", "trying again"])

        def act(message):
            if moment is not None and moment in message:
                report.on_info = lambda _: None
                raise Interruption

        report.on_info = act

    def order_faults(self):
        gcp = self.bench.gcp
        for method in METHODS:
            for _ in range(self.choice.randrange(3)):
                code, when = self.choice.choice(TRANSIENT), self.choice.choice(("before", "after"))
                gcp.fault(method, code, when=when, count=self.choice.randint(1, 3))
        if self.choice.random() < 0.2:
            gcp.fault(self.choice.choice(METHODS), "PERMISSION_DENIED", when=self.choice.choice(("before", "after")))
        if self.choice.random() < 0.2:
            gcp.fault(self.choice.choice(METHODS), "UNAVAILABLE", count=None)
        if self.choice.random() < 0.2:
            gcp.fail_clusters()

    def outage_may_end(self):
        if self.choice.random() < 0.5:
            self.bench.gcp.clear_faults()

    def clean_up(self):
        """Clean up like the last op, or like a sensor; sometimes not at all, so that the limits have to."""
        executor = self.bench.executor()
        execution = self.bench.execution(self.run_id, "delete")
        if self.choice.random() < 0.5:
            executor.delete(execution)
        elif self.choice.random() < 0.5:
            clusters = executor.backend(execution).clusters
            for cluster in clusters.of_run(self.run_id):
                clusters.remove(cluster)

    def check(self):
        gcp, run_id = self.bench.gcp, self.run_id
        jobs = [job for job in gcp.spark_jobs if job.labels["starlake-run-id"] == run_id]
        done = self.notes("done")
        for step, (how, name) in self.said.items():
            states = [job.state for job in jobs if job.labels["starlake-step"] == step]
            assert states.count("DONE") <= 1, f"{run_id}: {step} went on after its end"
            # a cancellation just before the end of a job cannot know that the job has done its work; the job may notice
            # first that its cluster is deleted, and end as ERROR
            cancelled = [job for job in jobs if job.labels["starlake-step"] == step and job.cancelled]
            may_be_done = states.count("DONE") + len(cancelled)
            assert done.count(f"{run_id}.{step}") <= may_be_done, f"{run_id}: {step} was done once too often"
            if how != "interrupted":
                state = next(job.state for job in jobs if job.name == name)
                assert (state == "DONE") == (how == "success"), f"{run_id}: a false result of {step}: {how}, {state}"
        assert all(job.cancelled <= 1 for job in jobs), f"{run_id}: cancelled twice"
        assert self.notes("overlaps") == [], f"{run_id}: two at once"
        living = [view for view in gcp.all_clusters if view.labels["starlake-run-id"] == run_id]
        assert sum(view.state != "DELETED" for view in living) <= 1, f"{run_id}: two clusters at once"
        told = any("is not known" in warning for report in self.reports for warning in report.warnings)
        if not self.made and not told:
            assert {view.state for view in living} <= {"DELETED", "DELETING"}, f"{run_id}: the creation left something"

    def known_to_run(self):
        """Return the jobs that an outage kept from being cancelled: this was reported, and their cluster has limits."""
        told = "\n".join(warning for report in self.reports for warning in report.warnings)
        return {job.name for job in self.bench.gcp.spark_jobs if f"{job.name} may still be running" in told}

    def notes(self, name):
        with suppress(FileNotFoundError):
            return (self.folder / name).read_text().split()
        return []


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_faults(bench, gcp, tmp_path, batch):
    for seed in range(batch, SEQUENCES, BATCHES):
        sequence = Sequence(bench, seed, tmp_path)
        with suppress(Interruption):
            sequence.play()
        gcp.wait_for(lambda gcp, known=sequence.known_to_run: running(gcp) <= known(), timeout=60)
        sequence.check()
        gcp.advance(86500)
        gcp.wait_for(lambda gcp: not gcp.clusters)
        assert running(gcp) == set()
    assert {view.deleted_by for view in gcp.all_clusters} <= {"request", "idle_ttl", "auto_ttl"}
