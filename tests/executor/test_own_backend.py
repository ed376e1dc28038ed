"""The example of a remote executor in docs/executors.md works as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from ai.starlake.executor import CommandFailedError, Execution
from ai.starlake.job import StarlakeCommand

DOCS = Path(__file__).resolve().parents[2] / "docs" / "executors.md"


@dataclass
class ServiceJob:
    name: str
    arguments: tuple[str, ...]
    run_id: str
    status: str = "running"
    exit_code: int = 0


class Service:
    """Ends each job after two polls, as its last argument says."""

    def __init__(self):
        self.jobs, self.polls = [], 0

    def start(self, name, arguments, environment):
        self.jobs.append(ServiceJob(name, tuple(arguments), environment["SL_JOB_ID"].partition(".")[0]))

    def list(self, root_run_id, step_key, reference):
        return [job for job in reversed(self.jobs) if reference in (None, job.name)]

    def get(self, name):
        (job,) = [job for job in self.jobs if job.name == name]
        self.polls += 1
        if self.polls > 1 and job.arguments[-1] in ("done", "failed"):
            job.status, job.exit_code = job.arguments[-1], int(job.arguments[-1] == "failed")
        return job

    def stop(self, name):
        self.get(name).status = "stopped"
        return True


class Log:
    def __init__(self, api, handle, output):
        self.output = output

    def advance(self, state):
        self.output.take("stdout", f"it is {state.text}")

    def finish(self, state):
        self.output.take("stdout", "the end")


class Reporter:
    def __init__(self):
        self.lines, self.told = [], []

    def output(self, stream, line):
        self.lines.append(line)

    def info(self, message):
        self.told.append(message)

    warning = info


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def executor(service):
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    example = next(block for block in blocks if "(RemoteBackend)" in block)
    names = {"my_api": service, "MyLog": Log, "read_project": None}
    exec(example.replace("interval=10", "interval=0.01"), names)
    return names["executor"]


def run(executor, *arguments, **more):
    report = Reporter()
    command = StarlakeCommand("transform", arguments)
    return report, executor.run(command, Execution("0b5e31d2", "a_step", report, **more))


def test_a_command_runs_to_its_end(executor, service):
    report, result = run(executor, "done")
    assert [job.status for job in service.jobs] == ["done"]
    assert result.remote_id == service.jobs[0].name
    assert report.lines == ["it is running", "it is done", "the end"]


def test_a_failure_is_told(executor):
    with pytest.raises(CommandFailedError, match=r"my job a-step-0b5e31d2-0-[0-9a-f]{8} ended in state failed"):
        run(executor, "failed")


def test_the_result_of_an_attempt_that_was_killed_is_taken(executor, service):
    run(executor, "done")
    report, result = run(executor, "done", attempt=1)
    assert (len(service.jobs), result.remote_id) == (1, service.jobs[0].name)
    assert any("its result counts" in message for message in report.told)


def test_what_does_another_thing_ends_first(executor, service):
    service.start("left", ["transform", "another"], {"SL_JOB_ID": "0b5e31d2.a_step"})
    run(executor, "done", attempt=1)
    assert [job.status for job in service.jobs] == ["stopped", "done"]
