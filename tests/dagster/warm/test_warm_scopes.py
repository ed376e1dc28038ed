"""Lifetimes of warm servers in real runs of Dagster: the run, or the code location."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from dagster import Failure, GraphDefinition, OpDefinition, Out, Output, asset, materialize

from ai.starlake.dagster.run_command import DagsterStep
from ai.starlake.dagster.shell import _warm_servers
from ai.starlake.executor.warm.warm_server import Owner

ASK = """
import json
from ai.starlake.common import StarlakeError
from ai.starlake.dagster.shell import _warm_servers

try:
    print(json.dumps(_warm_servers.code_server().pid))
except StarlakeError as error:
    print(json.dumps(str(error)))
"""


def asked_below(*command_line: str) -> int | str:
    """Return the code server that a process with an intermediate process finds."""
    between = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {ASK!r}]).returncode)"
    done = subprocess.run([sys.executable, "-c", between, *command_line], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class TestCodeServer:
    def test_it_is_the_process_of_the_run_where_no_code_server_launched_it(self):
        assert _warm_servers.code_server() == Owner.of_process(os.getpid())

    def test_a_code_server_is_found_by_its_command_line(self):
        found = asked_below("-m", "dagster", "api", "grpc", "--lazy-load-user-code")
        assert isinstance(found, int)
        assert found != os.getpid()

    @pytest.mark.parametrize("verb", ["execute_run", "execute_step"])
    def test_a_run_without_a_code_server_on_its_machine_says_so(self, verb):
        told = asked_below("/usr/local/bin/dagster", "api", verb, "{}")
        assert isinstance(told, str)
        assert "warm_scope: code_location has no code location here" in told
        assert f"`dagster api {verb}`" in told
        assert "leave the option out" in told


def noting(noted: list[str], end: BaseException | None = None) -> OpDefinition:
    def compute(context, _inputs):
        at_end = DagsterStep(context).execution().at_end_of_run
        assert at_end is not None
        at_end(lambda: noted.append(str(context.instance.get_run_by_id(context.run_id).status.value)))
        noted.append("step")
        if end is not None:
            raise end
        yield Output("")

    return OpDefinition(compute_fn=compute, name="noting", outs={"result": Out(str)})


class TestEndOfRun:
    @pytest.mark.parametrize(
        ("end", "status"),
        [(None, "SUCCESS"), (Failure("no"), "FAILURE"), (KeyboardInterrupt(), "FAILURE")],
        ids=["success", "failure", "interrupt"],
    )
    def test_it_is_noticed_in_the_process_of_the_run_once(self, end, status):
        noted: list[str] = []
        job = GraphDefinition(name="ending", node_defs=[noting(noted, end)]).to_job()
        try:
            job.execute_in_process(raise_on_error=False)
        except KeyboardInterrupt:
            assert isinstance(end, KeyboardInterrupt)
        assert noted == ["step", status]

    def test_it_is_noticed_in_runs_of_assets(self):
        noted: list[str] = []

        @asset
        def an_asset(context):
            DagsterStep(context.op_execution_context).execution().at_end_of_run(lambda: noted.append("end"))

        assert materialize([an_asset]).success
        assert noted == ["end"]
