from __future__ import annotations

import json
import subprocess

import pytest


@pytest.fixture
def run(fake_starlake, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [fake_starlake.starlake, *arguments],
            env=fake_starlake.environment(tmp_path, SL_JOB_ID="the-job"),
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=600,
        )

    return run


def test_the_fake_does_what_the_stand_in_of_the_executor_contract_does(run, tmp_path):
    done = run("transform", "--name", "contract.exits_3")
    assert done.returncode == 3
    [call] = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text(encoding="utf-8").splitlines()]
    assert call["argv"] == ["transform", "--name", "contract.exits_3"]
    assert call["environment"]["SL_JOB_ID"] == "the-job"


def test_the_fake_tells_a_failure_as_starlake_does(run):
    assert run("transform", "--name", "fake.throws").returncode == 1


def test_the_fake_runs_what_it_is_told_to(fake_starlake, tmp_path):
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\necho "$MINE" "$@"\n')
    script.chmod(0o755)
    environment = fake_starlake.environment(tmp_path, MINE="a value", FAKE_STARLAKE_RUNS=str(script))
    done = subprocess.run(
        [fake_starlake.starlake, "load", "x y"], env=environment, capture_output=True, check=True, timeout=600
    )
    assert done.stdout == b"a value load x y\n"
