"""Warm servers under `dagster dev`: those of a run end with it, those of a code location with the code server."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from dagster import DagsterInstance

from tests.dagster.dev.machinery import Location, dev_server
from tests.executor.warm.fake_starlake import FakeStarlake
from tests.executor.warm.warm_commands import alive, gone

DAG_FILE = """
from dagster import Definitions, GraphDefinition, in_process_executor, multiprocess_executor
from ai.starlake.dagster.warm import StarlakeDagsterWarmJob


def counting(name, executor, **options):
    places = {{"SL_STARLAKE_PATH": {starlake!r}, "sl_env_var": {{"SL_ROOT": {root!r}}}}}
    sl_job = StarlakeDagsterWarmJob(options={{**places, "event_log_lines": "all", **options}})
    count = sl_job.sl_job(f"count_{{name}}", ["transform", "--name", "fake.count"])
    return GraphDefinition(name=name, node_defs=[count]).to_job(executor_def=executor)


defs = Definitions(
    jobs=[
        counting("own_server", in_process_executor),
        counting("shared_in_process", in_process_executor, warm_scope="code_location"),
        counting("shared_in_steps", multiprocess_executor, warm_scope="code_location"),
    ]
)
"""


@pytest.fixture
def location(tmp_path, fake_starlake: FakeStarlake) -> Iterator[Location]:
    source = DAG_FILE.format(starlake=str(fake_starlake.starlake), root=str(tmp_path))
    made = Location.make(tmp_path, uuid.uuid4().hex, source)
    yield made
    made.end_all()


def launched(server, location: Location) -> Callable[[str], tuple[int, int]]:
    """Return what launches a job, and tells which command of which virtual machine it ran."""

    def launch(job: str) -> tuple[int, int]:
        run_id = server.launch(job)
        status = server.ended(run_id)
        with DagsterInstance.from_config(str(location.home)) as instance:
            text = "\n".join(entry.user_message for entry in instance.all_logs(run_id))
        assert status == "SUCCESS", text
        found = re.search(r"command (\d+) of process (\d+)", text)
        assert found, text
        return int(found[1]), int(found[2])

    return launch


@pytest.mark.slow
def test_servers_belong_to_runs_or_to_the_code_server(location: Location) -> None:
    with dev_server(location) as server:
        launch = launched(server, location)
        first, shared = launch("shared_in_steps")
        assert first == 1
        number, own = launch("own_server")
        assert (number, own == shared) == (1, False)
        gone(own)
        assert launch("shared_in_process") == (2, shared)
        assert alive(shared)
    gone(shared)
