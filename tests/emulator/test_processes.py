"""The emulator leaves nothing behind, however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from ai.starlake.common import StarlakeError
from starlake_gcp_emulator import Emulator, EmulatorClient, GcpEmulator, Timing
from tests.waiting import PATIENCE, wait_until_gone

JOB = "projects/p/locations/europe-west1/jobs/j"
STUBBORN = 'trap "" TERM; echo $$; while :; do sleep 0.1; done'
HANG = ("/bin/sh", "-c", "echo $$; sleep 600 & wait")
ENDPOINTS = ["dataproc_endpoint", "cloud_run_endpoint", "logging_endpoint", "storage_endpoint", "rest_endpoint"]
EMULATOR = (sys.executable, "-m", "starlake_gcp_emulator")


def begin_both(api: Any, gcp: Emulator) -> list[int]:
    """Lets a Spark job and an execution run; returns their groups of processes."""
    gcp.add_job(JOB)
    api.create().result(timeout=60)
    api.submit(job_id="j")
    api.run()
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].output and gcp.executions[0].output)
    return [int(gcp.spark_jobs[0].output[0]), int(gcp.executions[0].output[0])]


def test_stopping_ends_all_processes_even_those_that_ignore_it(connect: Any, gone: Callable[[int], bool]) -> None:
    with GcpEmulator(("/bin/sh", "-c", STUBBORN), speed=3000, grace=0.2) as gcp:
        groups = begin_both(connect(gcp), gcp)
    assert all(map(gone, groups))
    assert gcp.executions[0].exit_code is None
    assert [call.method for call in gcp.calls("SubmitJob")] == ["SubmitJob"]


def test_stopping_twice_is_once_and_an_emulator_is_started_once() -> None:
    gcp = GcpEmulator(("true",))
    with pytest.raises(StarlakeError, match="not running"):
        _ = gcp.endpoint
    gcp.start()
    with pytest.raises(StarlakeError, match="started already"):
        gcp.start()
    gcp.stop()
    gcp.stop()


def test_a_speed_that_is_none_and_a_port_that_is_taken_are_errors(gcp: GcpEmulator) -> None:
    with pytest.raises(StarlakeError, match="speed=0"):
        GcpEmulator(speed=0)
    taken = [int(one.rpartition(":")[2]) for one in (gcp.endpoint, gcp.rest_endpoint, gcp.storage_endpoint)]
    for number, name in enumerate(("port", "rest_port", "storage_port")):
        with (
            pytest.raises(StarlakeError, match=f"cannot listen on port {taken[number]}"),
            GcpEmulator(**{name: taken[number]}),
        ):
            pass


@pytest.fixture
def spawned() -> Iterator[EmulatorClient]:
    with EmulatorClient.spawn(HANG, manual_clock=True, speed=3000, grace=1) as client:
        yield client


def test_an_emulator_of_its_own_offers_the_same(
    spawned: EmulatorClient, connect: Any, gone: Callable[[int], bool]
) -> None:
    api = connect(spawned)
    groups = begin_both(api, spawned)
    assert spawned.options()["storage_endpoint"] == spawned.storage_endpoint
    assert spawned.spark_jobs[0].argv[:2] == ("/bin/sh", "-c")
    assert spawned.calls("RunJob")[0].outcome == "OK"
    assert spawned.journal[0].request["cluster"]["cluster_name"] == "c"
    spawned.fault("GetCluster", "UNAVAILABLE", count=None)
    with pytest.raises(Exception, match="injected fault"):
        api.get()
    spawned.clear_faults()
    spawned.fail_clusters(detail="no room")
    api.create("d", lifecycle_config={"auto_delete_ttl": {"seconds": 600}})
    spawned.wait_for(lambda gcp: gcp.clusters["d"].detail == "no room")
    assert spawned.clusters["d"].config["lifecycle_config"] == {"auto_delete_ttl": "600s"}
    spawned.advance(600)
    spawned.wait_for(lambda gcp: list(gcp.clusters) == ["c"])
    assert spawned.all_clusters[1].deleted_by == "auto_ttl"
    with pytest.raises(StarlakeError, match="perhaps RunJob"):
        spawned.fault("RunJop", "INTERNAL")
    with pytest.raises(StarlakeError, match="backwards"):
        spawned.advance(-1)
    with pytest.raises(TimeoutError):
        spawned.wait_for(lambda gcp: not gcp.clusters, timeout=0.01)
    another = EmulatorClient(spawned.rest_endpoint)
    assert another.executions == spawned.executions
    another.stop()
    spawned.stop()
    assert all(map(gone, groups))
    with pytest.raises(StarlakeError, match="does not answer"):
        _ = another.journal


def test_an_emulator_that_cannot_start_says_so() -> None:
    with pytest.raises(StarlakeError, match="does not start"):
        EmulatorClient.spawn(HANG, speed=0)


@pytest.mark.slow
def test_killing_the_emulator_ends_its_processes(connect: Any, gone: Callable[[int], bool]) -> None:
    with EmulatorClient.spawn(HANG, speed=3000, grace=1) as client:
        groups = begin_both(connect(client), client)
        assert client.pid is not None
        os.kill(client.pid, signal.SIGKILL)
        assert all(map(gone, groups))


@pytest.mark.slow
def test_killing_the_parent_of_the_emulator_ends_both(connect: Any, gone: Callable[[int], bool]) -> None:
    code = f"""
        import sys, time
        from starlake_gcp_emulator import EmulatorClient
        client = EmulatorClient.spawn({HANG!r}, speed=3000, grace=1)
        print(client.rest_endpoint, client.pid, flush=True)
        time.sleep(600)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        address, pid = parent.stdout.readline().split()
        client = EmulatorClient(address)
        groups = begin_both(connect(client), client)
    finally:
        parent.kill()
        parent.communicate()
    assert all(map(gone, [*groups, int(pid)]))


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_the_command_prints_its_endpoints_and_ends_on_a_signal(number: int) -> None:
    argv = [*EMULATOR, "--project", "q", "--job", "one", "--job", JOB, "--bucket", "b", "--command", "echo 'two words'"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in ENDPOINTS]
        found = dict(line.split("=", 1) for line in lines)
        assert list(found) == ENDPOINTS
        assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+", value) for value in found.values())
        client = EmulatorClient(found["rest_endpoint"])
        assert client.endpoint == found["dataproc_endpoint"]
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        wait_until_gone(*(child.pid for child in children))
    finally:
        process.kill()
        process.communicate()


def test_the_command_ends_with_its_standard_input_and_can_answer_in_json() -> None:
    done = subprocess.run(
        [*EMULATOR, "--json", "--die-with-parent"], input="", capture_output=True, text=True, check=True, timeout=60
    )
    assert set(json.loads(done.stdout)) == set(ENDPOINTS)


def test_the_command_says_what_is_wrong(gcp: GcpEmulator) -> None:
    port = gcp.rest_endpoint.rpartition(":")[2]
    done = subprocess.run([*EMULATOR, "--rest-port", port], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"cannot listen on port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_it_loads_none_of_googles_libraries() -> None:
    code = """
        import sys
        import starlake_gcp_emulator
        import starlake_gcp_emulator.cli
        heavy = ("google", "grpc", "gcp_storage_emulator", "proto", "dagster", "duckdb")
        print([name for name in sys.modules if name.partition(".")[0] in heavy])
    """
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_library_that_is_missing_is_named_with_its_fix() -> None:
    code = """
        import sys
        sys.modules["google.cloud.dataproc_v1"] = None
        from starlake_gcp_emulator import GcpEmulator
        GcpEmulator().start()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert "pip install starlake-gcp-emulator" in done.stderr


def test_the_embedded_engine_runs_by_default(connect: Any) -> None:
    with GcpEmulator(speed=3000, timing=Timing()) as gcp:
        gcp.add_job(JOB, max_retries=0)
        connect(gcp).run("--version").result(timeout=60)
        assert gcp.executions[0].output[0].startswith("Starlake embedded engine")
