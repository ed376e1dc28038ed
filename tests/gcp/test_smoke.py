"""The emulator in place of the real services of `make gcp-smoke`: the commands arrive, and nothing is left."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from ai.starlake.gcp.client.clients import storage_client
from ai.starlake.gcp.client.endpoints import GcpEndpoints
from starlake_gcp_emulator import GcpEmulator

SCRIPT = Path(__file__).resolve().parents[2] / "samples" / "gcp_smoke.py"
JOB = "projects/p/locations/r/jobs/starlake"


@pytest.fixture(scope="module")
def smoke():
    spec = importlib.util.spec_from_file_location("gcp_smoke", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gcp_smoke"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def gcp():
    with GcpEmulator(command=["/bin/echo"], speed=3000) as emulator:
        emulator.add_job(JOB, max_retries=0)
        storage_client(GcpEndpoints(storage=emulator.storage_endpoint)).create_bucket("b")
        yield emulator


def run(smoke, gcp, *arguments):
    options = {**gcp.options(), "poll_interval": 0.05}
    place = ["--project", "p", "--region", "r", "--bucket", "b", "--options", json.dumps(options)]
    return smoke.main([*place, *arguments])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:option .*endpoint is not known")
def test_the_sample_is_loaded_on_both_services_and_nothing_is_left(smoke, gcp, capsys):
    assert run(smoke, gcp, "--job", "starlake", "--jars", "gs://b/starlake.jar") == 0
    assert capsys.readouterr().out.count("loaded") == 8
    assert [one.argv[1] for one in gcp.executions] == ["stage", "load", "load", "load", "load"]
    assert [one.argv[1] for one in gcp.spark_jobs] == ["stage", "load", "load", "load", "load"]
    assert gcp.clusters == {}
    bucket = storage_client(GcpEndpoints(storage=gcp.storage_endpoint)).bucket("b")
    assert [blob.name for blob in bucket.list_blobs(prefix="starlake-smoke-")] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:option .*endpoint is not known")
def test_a_failure_is_told(smoke, gcp, capsys):
    gcp.add_job(JOB, command=["/bin/false"], max_retries=0)
    assert run(smoke, gcp, "--job", "starlake", "--keep") == 1
    assert "not loaded" in capsys.readouterr().out
    bucket = storage_client(GcpEndpoints(storage=gcp.storage_endpoint)).bucket("b")
    names = [blob.name.partition("/")[2] for blob in bucket.list_blobs(prefix="starlake-smoke-")]
    assert "metadata/application.sl.yml" in names
    assert "metadata/load/starbake/Orders.sl.yml" in names


def test_a_service_must_be_named(smoke, gcp):
    with pytest.raises(SystemExit):
        run(smoke, gcp)
