"""The sample backend for Kubernetes Jobs: what its readers copy is true."""

from __future__ import annotations

import json
import sys
import uuid
from dataclasses import replace

import pytest

from ai.starlake.executor import CommandFailedError, Execution
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.remote import RemoteCallError, RemoteRequest, RemoteTimeoutError
from ai.starlake.executor.remote.leftovers import leftover_work, reap
from ai.starlake.job import EnvironmentReference, StarlakeCommand
from tests.samples.kubernetes.fake_kubernetes import FakeKubernetes
from tests.samples.kubernetes.sample import ROOT, SAMPLE, sample_module
from tests.waiting import meanwhile

ENTRY_POINT = [
    sys.executable,
    "-c",
    """
import json, os, sys, time
print("argv", json.dumps(sys.argv[1:]), flush=True)
print("secret", os.environ.get("DB_PASSWORD"))
for argument in sys.argv[1:]:
    if argument.startswith("sleep="):
        time.sleep(float(argument[6:]))
    if argument.startswith("exit="):
        print("it went wrong")
        sys.exit(int(argument[5:]))
print('IngestionCounters:{"inputCount":3,"acceptedCount":2,"rejectedCount":1}')
""",
]


@pytest.fixture(scope="module")
def sample():
    with sample_module() as module:
        yield module


@pytest.fixture
def kubernetes():
    with FakeKubernetes(ENTRY_POINT) as fake:
        yield fake


class Recorder:
    def __init__(self):
        self.lines, self.infos, self.warnings = [], [], []
        self.on_info = lambda message: None

    def output(self, stream, line):
        self.lines.append(line)

    def info(self, message):
        self.infos.append(message)
        self.on_info(message)

    def warning(self, message):
        self.warnings.append(message)


class Interruption(BaseException):
    """An exception that Dagster raises at any time."""


class Bench:
    def __init__(self, sample, fake):
        self.sample, self.fake, self.report = sample, fake, Recorder()

    def job(self, **options):
        own = {"kubernetes_image": "starlake", "kubernetes_api": self.fake.url, "poll_interval": 0.02}
        return self.sample.StarlakeDagsterKubernetesJob(options={**own, **options})

    def executor(self, **options):
        return self.job(**options).executor()

    def execution(self, **more):
        run_id = more.pop("run_id", None) or str(uuid.uuid4())
        return Execution(run_id, more.pop("step_key", "load_sales"), self.report, **more)

    def run(self, *arguments, execution=None, environment=None, **options):
        command = StarlakeCommand("transform", arguments).with_environment(environment or {})
        return self.executor(**options).run(command, execution or self.execution())

    def orphan(self, execution, *arguments):
        """Submit the command of an attempt whose process dies right then."""
        prepared = PreparedCommand.of(StarlakeCommand("transform", arguments), execution)
        return self.executor().backend(execution).submit(RemoteRequest(prepared, execution)).id


@pytest.fixture
def bench(sample, kubernetes):
    return Bench(sample, kubernetes)


def states(kubernetes):
    return ["deleted" if job.deleted else job.exit_code for job in kubernetes.all_jobs]


def test_a_command_runs_as_a_job(bench, kubernetes):
    result = bench.run("a b", "$HOME", "sleep=0.2")
    (job,) = kubernetes.all_jobs
    assert (result.counts.input, result.counts.accepted, result.counts.rejected) == (3, 2, 1)
    assert result.remote_id == job.name
    assert json.loads(bench.report.lines[0].partition(" ")[2]) == ["transform", "a b", "$HOME", "sleep=0.2"]
    assert len(bench.report.lines) == len(set(bench.report.lines)) == 3
    assert job.spec["backoffLimit"] == 0


def test_a_failure_tells_the_exit_code_and_the_last_lines(bench):
    with pytest.raises(CommandFailedError, match="it went wrong") as caught:
        bench.run("exit=3")
    assert caught.value.exit_code == 3
    assert "backoff limit" in str(caught.value)


def test_more_fields_of_pods_and_containers_come_from_options(bench, kubernetes):
    secret = [{"secretRef": {"name": "starlake"}}]
    bench.run(kubernetes_pod={"serviceAccountName": "loader"}, kubernetes_container={"envFrom": secret})
    pod = kubernetes.all_jobs[0].spec["template"]["spec"]
    assert (pod["serviceAccountName"], pod["containers"][0]["envFrom"]) == ("loader", secret)


def test_a_secret_is_seen_nowhere(bench, kubernetes, monkeypatch):
    monkeypatch.setenv("MY_SECRET", "hunter-two")
    with pytest.raises(CommandFailedError) as caught:
        bench.run("exit=1", environment={"DB_PASSWORD": EnvironmentReference("MY_SECRET")})
    assert kubernetes.all_jobs[0].env["DB_PASSWORD"] == "hunter-two"
    assert "hunter-two" not in "\n".join([str(caught.value), *bench.report.lines, *bench.report.infos])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_makes_no_second_job(bench, kubernetes, when):
    kubernetes.fault("POST", 503, when=when, count=2)
    bench.run()
    assert states(kubernetes) == [0]


def test_an_outage_in_the_middle_is_ridden_out(bench, kubernetes):
    kubernetes.fault("GET", 503, count=5)
    bench.run()
    assert any("the service did not" in info for info in bench.report.infos)


def test_a_refusal_is_told_and_leaves_nothing(bench, kubernetes):
    kubernetes.fault("POST", 403)
    with pytest.raises(RemoteCallError, match="Kubernetes could not create job"):
        bench.run("sleep=120")
    assert kubernetes.all_jobs == []
    assert bench.report.warnings == []


def test_a_submission_that_fails_after_its_effect_leaves_nothing(bench, kubernetes):
    kubernetes.fault("POST", 403, when="after")
    with pytest.raises(RemoteCallError):
        bench.run("sleep=120")
    kubernetes.wait_for(lambda fake: fake.jobs == {})
    assert states(kubernetes) == ["deleted"]


def test_an_interruption_deletes_the_job_once(bench, kubernetes):
    def act(message):
        if ": running" in message:
            raise Interruption

    bench.report.on_info = act
    with pytest.raises(Interruption):
        bench.run("sleep=120")
    kubernetes.wait_for(lambda fake: fake.jobs == {})
    assert [job.deleted for job in kubernetes.all_jobs] == [1]


def test_a_job_that_somebody_deletes_is_a_failure(bench, kubernetes):
    def deletes():
        kubernetes.wait_for(lambda fake: fake.jobs)
        execution = bench.execution()
        (left,) = leftover_work(bench.executor().backend(execution))
        assert left.remove()

    with meanwhile(deletes), pytest.raises(CommandFailedError, match="was cancelled by another user"):
        bench.run("sleep=120")


def test_a_command_that_takes_too_long_is_cancelled(bench, kubernetes):
    with pytest.raises(RemoteTimeoutError, match="kubernetes_timeout"):
        bench.run("sleep=120", kubernetes_timeout=0.3)
    kubernetes.wait_for(lambda fake: fake.jobs == {})


def test_a_retry_goes_on_with_what_a_killed_attempt_left(bench, kubernetes):
    execution = bench.execution()
    left = bench.orphan(execution, "sleep=0.5")
    assert bench.run("sleep=0.5", execution=replace(execution, attempt=1)).remote_id == left
    assert states(kubernetes) == [0]


def test_a_retry_takes_the_result_that_nobody_saw(bench, kubernetes):
    execution = bench.execution()
    left = bench.orphan(execution)
    kubernetes.wait_for(lambda fake: states(fake) == [0])
    assert bench.run(execution=replace(execution, attempt=2)).remote_id == left
    assert len(kubernetes.all_jobs) == 1


def test_a_retry_after_a_failure_runs_the_command_again(bench, kubernetes):
    execution = bench.execution()
    for attempt in range(2):
        with pytest.raises(CommandFailedError):
            bench.run("exit=1", execution=replace(execution, attempt=attempt))
    assert states(kubernetes) == [1, 1]


def test_a_re_execution_ends_what_its_predecessor_left(bench, kubernetes):
    execution = bench.execution()
    bench.orphan(execution, "sleep=29")
    again = bench.execution(root_run_id=execution.run_id, resumed=True)
    bench.run("sleep=0.1", execution=again)
    assert states(kubernetes) == ["deleted", 0]


def test_jobs_of_other_steps_and_runs_go_on(bench, kubernetes):
    execution = bench.execution()
    bench.orphan(replace(execution, step_key="another_"), "sleep=0.4")
    bench.orphan(bench.execution(), "sleep=0.4")
    bench.run(execution=replace(execution, attempt=1))
    kubernetes.wait_for(lambda fake: states(fake) == [0, 0, 0])


def test_what_a_run_left_is_swept_and_reaped(bench, kubernetes):
    one, other, third = bench.execution(job_name="sales"), bench.execution(), bench.execution()
    names = [bench.orphan(execution, "sleep=120") for execution in (one, other, third)]
    assert bench.executor().sweep(one) == [f"Kubernetes job {names[0]}"]
    rows = reap(
        leftover_work(bench.executor().backend(other)), older_than=0, is_over=lambda run_id: run_id == other.run_id
    )
    actions = {row.leftover.name: row.action for row in rows if row.leftover.state.startswith("running")}
    assert actions == {names[1]: "removed", names[2]: "kept"}
    kubernetes.wait_for(lambda fake: list(fake.jobs) == names[2:])


def test_it_is_a_factory_with_sensors(bench):
    sl_job = bench.job()
    assert [sensor.name for sensor in sl_job.sensors(name="nightly")] == [
        "nightly_kubernetes_janitor_after_failure",
        "nightly_kubernetes_janitor_after_cancellation",
    ]


def test_the_backend_is_as_short_as_the_documentation_says():
    lines = len((SAMPLE / "kubernetes_jobs.py").read_text("utf-8").splitlines())
    assert lines < 200
    assert f"factory in {lines} lines" in " ".join((ROOT / "docs" / "executors.md").read_text("utf-8").split())
