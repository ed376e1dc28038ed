"""Compute profiles on Cloud Run: a job of each size, made from the one that the options name."""

from __future__ import annotations

import uuid
from functools import partial

import pytest
from google.cloud import run_v2

from ai.starlake.common import StarlakeError
from ai.starlake.executor import CommandFailedError
from ai.starlake.gcp.client.google_errors import GcpCallError
from ai.starlake.job import JobOptions, StarlakeCommand
from tests.gcp.cloud_run.conftest import JOB, JOB_NAME, PROJECT, REGION, Bench, Recorder
from tests.waiting import all_at_once

PLACE = f"projects/{PROJECT}/locations/{REGION}"


@pytest.fixture
def sized(gcp) -> Bench:
    """Return a bench whose options have profiles with names that no other test uses."""
    mark = uuid.uuid4().hex[:6]
    sizes = {
        f"large-{mark}": {"cloud_run": {"cpu": "4", "memory": "8Gi", "timeout": 77}},
        f"small_{mark}": {"cloud_run": {"memory": "512Mi"}},
        f"brief-{mark}": {"cloud_run": {"timeout": 55}},
        f"named-{mark}": {"cloud_run": {"job": "starlake-of-mine"}},
    }
    bench = Bench(gcp, options={"compute": sizes})
    bench.names = {name[:5]: name for name in sizes}
    return bench


def run(bench, profile, *arguments, **facts):
    compute = JobOptions.read(bench.options).compute[bench.names[profile]] if profile else None
    command = StarlakeCommand("transform", arguments).with_compute(compute)
    return bench.executor().run(command, bench.execution(**facts))


def job(bench, name):
    return bench.clients().run_jobs.get_job(request={"name": f"{PLACE}/jobs/{name}"})


def limits(bench, name):
    (container,) = job(bench, name).template.template.containers
    return dict(container.resources.limits)


def started(gcp):
    """Return the job of each execution since the test began, and its timeout."""
    return [one.name.split("/")[5] for one in gcp.executions[gcp.before[0] :]]


def test_a_job_of_the_sizes_is_made_from_that_of_the_options(sized, gcp, called):
    result = run(sized, "large")
    name = f"{JOB}-{sized.names['large']}"
    assert limits(sized, name) == {"cpu": "4", "memory": "8Gi"}
    made, base = job(sized, name), job(sized, JOB)
    assert made.template.template.containers[0].image == base.template.template.containers[0].image
    assert made.labels["starlake-compute"] == sized.names["large"]
    assert limits(sized, JOB) == {}, "the job of the options is as it was"
    assert started(gcp) == [name]
    assert result.sizes == {"cloud_run.cpu": "4", "cloud_run.memory": "8Gi", "cloud_run.timeout": "77"}
    assert gcp.calls("RunJob")[-1].request["overrides"]["timeout"] == "77s"


def test_the_next_command_uses_the_job_as_it_is(sized, gcp, called):
    run(sized, "large")
    run(sized, "large", step="another")
    assert called().count("CreateJob") == 1
    assert "UpdateJob" not in called()


def test_another_image_or_size_changes_the_job(sized, gcp, called):
    run(sized, "large")
    name = f"{JOB}-{sized.names['large']}"
    gcp.add_job(JOB_NAME, max_retries=0, image="starlake:next")
    run(sized, "large", step="another")
    assert job(sized, name).template.template.containers[0].image == "starlake:next"
    sized.options["compute"][sized.names["large"]]["cloud_run"]["memory"] = "16Gi"
    run(sized, "large", step="third")
    assert limits(sized, name) == {"cpu": "4", "memory": "16Gi"}
    assert called().count("UpdateJob") == 2


def test_profiles_have_jobs_of_their_own(sized, gcp):
    for profile in ("large", "small", None, "brief"):
        run(sized, profile, step=f"step_{profile}")
    assert started(gcp) == [
        f"{JOB}-{sized.names['large']}",
        f"{JOB}-{sized.names['small'].replace('_', '-')}",
        JOB,
        JOB,
    ]
    assert gcp.calls("RunJob")[-1].request["overrides"]["timeout"] == "55s"


def test_a_job_that_is_named_is_taken_as_it_is(sized, gcp, called):
    gcp.add_job(f"{PLACE}/jobs/starlake-of-mine", max_retries=0)
    run(sized, "named")
    assert started(gcp) == ["starlake-of-mine"]
    assert not {"CreateJob", "UpdateJob", "GetJob"} & set(called())


def test_a_job_of_somebody_else_is_left_alone(sized, gcp):
    name = f"{JOB}-{sized.names['large']}"
    gcp.add_job(f"{PLACE}/jobs/{name}", max_retries=0)
    with pytest.raises(StarlakeError, match="that was not made for compute profile") as error:
        run(sized, "large")
    assert f"set cloud_run.job of profile {sized.names['large']} to {name}" in str(error.value)
    assert limits(sized, name) == {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_makes_no_second_job(sized, gcp, when):
    gcp.fault("CreateJob", "UNAVAILABLE", when=when)
    run(sized, "large")
    assert limits(sized, f"{JOB}-{sized.names['large']}") == {"cpu": "4", "memory": "8Gi"}
    assert len(started(gcp)) == 1


def test_what_is_not_allowed_names_the_permission(sized, gcp):
    gcp.fault("CreateJob", "PERMISSION_DENIED", count=None)
    with pytest.raises(GcpCallError, match=r"run\.jobs\.create"):
        run(sized, "large")
    assert started(gcp) == []


def test_steps_that_begin_together_make_one_job(sized, gcp):
    all_at_once(*(partial(run, sized, "large", step=f"s{n}") for n in range(3)))
    assert started(gcp) == [f"{JOB}-{sized.names['large']}"] * 3
    assert all(one.state == "SUCCEEDED" for one in gcp.executions[gcp.before[0] :])


class TestWhatIsLeft:
    """However a command of a profile ends, its execution ends too; whoever looks for it finds it."""

    def test_a_failure(self, sized, gcp):
        with pytest.raises(CommandFailedError):
            run(sized, "large", "exit=3")
        assert [one.state for one in gcp.executions[gcp.before[0] :]] == ["FAILED"]

    def test_an_interruption(self, sized, gcp):
        class Interruption(BaseException):
            pass

        def interrupt(message):
            if "its log:" in message:
                raise Interruption

        sized.report.on_info = interrupt
        with pytest.raises(Interruption):
            run(sized, "large", "sleep=60")
        gcp.wait_for(lambda gcp: gcp.executions[-1].state == "CANCELLED")
        assert gcp.executions[-1].cancelled == 1

    def started_by_a_killed_process(self, sized, gcp):
        sized.job_name = f"{PLACE}/jobs/{JOB}-{sized.names['large']}"
        sized.orphan("transform", "sleep=60", step="load")
        gcp.wait_for(lambda gcp: gcp.executions[-1].state == "RUNNING")

    def test_a_killed_run(self, sized, gcp):
        run(sized, "large", step="earlier")
        self.started_by_a_killed_process(sized, gcp)
        assert len(sized.executor().sweep(sized.execution(""))) == 1
        gcp.wait_for(lambda gcp: gcp.executions[-1].state == "CANCELLED")

    def test_a_retry_with_another_profile(self, sized, gcp):
        run(sized, "large", step="earlier")
        self.started_by_a_killed_process(sized, gcp)
        orphan = gcp.executions[-1].name
        sized.report = Recorder()
        run(sized, "small", "now", step="load", attempt=1)
        states = {one.name: one.state for one in gcp.executions[gcp.before[0] :]}
        assert states.pop(orphan) == "CANCELLED"
        assert set(states.values()) == {"SUCCEEDED"}


def test_a_job_of_several_containers_has_to_name_one(sized, gcp):
    definition = run_v2.Job(name=JOB_NAME)
    definition.template.template.containers = [
        run_v2.Container(name="starlake", image="a"),
        run_v2.Container(name="helper", image="b"),
    ]
    gcp.add_job(JOB_NAME, max_retries=0)
    sized.clients().run_jobs.update_job(request={"job": definition}).result()
    with pytest.raises(StarlakeError, match="has 2 containers") as error:
        run(sized, "large")
    assert "cloud_run_container" in str(error.value)
