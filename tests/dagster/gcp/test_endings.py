"""However a run ends, and whoever ends it: what it started on Google Cloud ends too, each thing once.

Runs, servers and the emulator are processes of their own here, so that each can be killed.
"""

from __future__ import annotations

import json
import re
import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from dagster import DagsterInstance

from starlake_gcp_emulator import EmulatorClient
from tests.dagster.dev.machinery import DAGSTER_YAML, Location, Server, dev_server
from tests.dagster.gcp.conftest import PROJECT, REGION, RUN_JOB, SPARK, shell_command
from tests.waiting import PATIENCE, end

pytestmark = pytest.mark.slow

MONITORING = "run_monitoring: {enabled: true, poll_interval_seconds: 1, start_timeout_seconds: 60}\n"
DAY = 24 * 3600
ENDED_BY_US = ("CANCELLED", "ERROR")  # a job that was cancelled may notice first that its cluster goes
ROWS = [("dataproc", "in_process"), ("dataproc", "default"), ("cloud_run", "default")]
"""With Dagster's multiprocess executor an interruption takes the longer way: from the run to its steps."""
SIGNALS = [
    ("dataproc", "in_process", signal.SIGINT),
    ("dataproc", "default", signal.SIGTERM),
    ("cloud_run", "in_process", signal.SIGTERM),
    ("cloud_run", "default", signal.SIGINT),
]
"""Each two of them together: the third makes no difference."""
MARK_AS_CANCELLED = """mutation($run: String!) {
  terminateRun(runId: $run, terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) { __typename }
}"""


class Cloud:
    """The emulator, and what became of the things of one run on it."""

    def __init__(self, gcp: EmulatorClient) -> None:
        self.gcp = gcp

    def clusters(self, run_id: str) -> list[Any]:
        return [one for one in self.gcp.all_clusters if one.labels["starlake-run-id"] == run_id]

    def work(self, run_id: str) -> list[Any]:
        """Return the Spark jobs and executions of a run."""
        jobs = [one for one in self.gcp.spark_jobs if one.labels["starlake-run-id"] == run_id]
        return jobs + [one for one in self.gcp.executions if one.env["DAGSTER_STARLAKE_ROOT_RUN"] == run_id]

    def newest(self, where: str) -> str:
        """Return the run that something was started for last."""
        if where.startswith("dataproc"):
            return str(self.gcp.spark_jobs[-1].labels["starlake-run-id"])
        return str(self.gcp.executions[-1].env["DAGSTER_STARLAKE_ROOT_RUN"])

    def runs(self, run_id: str) -> None:
        """Wait until the command of a run is at work."""
        self.gcp.wait_for(lambda _: [one.state for one in self.work(run_id)] == ["RUNNING"], timeout=PATIENCE)

    def is_clean(self, run_id: str, *, within: float = PATIENCE) -> None:
        """Wait until nothing of a run is left, and check how it was removed."""
        self.gcp.wait_for(
            lambda _: (
                all(one.state == "DELETED" for one in self.clusters(run_id))
                and all(one.state not in ("PENDING", "RUNNING") for one in self.work(run_id))
            ),
            timeout=within,
        )
        names = {one.name for one in self.clusters(run_id)}
        assert all(re.fullmatch(rf"dataproc-cluster-{run_id[:8]}", name) for name in names)
        assert len(names) <= 1

    def of_profiles_is_clean(self, run_id: str, where: str) -> None:
        """Wait until nothing of a run with two compute profiles is left; check the resources of each."""
        self.gcp.wait_for(
            lambda _: (
                all(one.state == "DELETED" for one in self.clusters(run_id))
                and all(one.state not in ("PENDING", "RUNNING") for one in self.work(run_id))
            ),
            timeout=PATIENCE,
        )
        assert len(self.work(run_id)) == 2
        if where == "cloud_run":
            jobs = [one.name.split("/")[5] for one in self.work(run_id)]
            assert jobs == [f"{RUN_JOB}-small", f"{RUN_JOB}-large"]
            return
        clusters = self.clusters(run_id)
        assert {one.name for one in clusters} == {
            f"dataproc-cluster-{size}-{run_id[:8]}" for size in ("small", "large")
        }
        assert [one.deleted_by for one in clusters] == ["request"] * 2

    def was_cancelled_once(self, run_id: str) -> None:
        self.is_clean(run_id)
        (one,) = self.work(run_id)
        assert one.cancelled == 1
        assert one.state in ENDED_BY_US
        assert [one.deleted_by for one in self.clusters(run_id)] in ([], ["request"])


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with EmulatorClient.spawn(shell_command(), speed=3000, grace=1) as gcp:
        gcp.add_job(f"projects/{PROJECT}/locations/{REGION}/jobs/{RUN_JOB}", max_retries=0)
        yield Cloud(gcp)


@pytest.fixture(scope="module")
def location_of(cloud: Cloud) -> Iterator[Any]:
    made: list[Location] = []

    def make(root: Path, more_yaml: str = "") -> Location:
        (root / "project" / "metadata").mkdir(parents=True)
        environment = {"SL_ROOT": str(root / "project")}
        shared = {"sl_env_var": environment, "poll_interval": 0.1, "storage_endpoint": cloud.gcp.storage_endpoint}
        run = {"cloud_run_project_id": PROJECT, "cloud_run_job_name": RUN_JOB, "cloud_run_endpoint": cloud.gcp.endpoint}
        dataproc = {**shared, **SPARK, "dataproc_endpoint": cloud.gcp.endpoint}
        options = json.dumps({"dataproc": dataproc, "cloud_run": {**shared, **run}})
        source = Path(__file__).with_name("dag.py.txt").read_text()
        made.append(Location.make(root, uuid.uuid4().hex, source, DAGSTER_YAML + more_yaml, TEST_OPTIONS=options))
        return made[-1]

    yield make
    for location in made:
        location.end_all()


@pytest.fixture(scope="module")
def alone(tmp_path_factory, location_of) -> Location:
    return location_of(tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def location(tmp_path_factory, location_of) -> Location:
    return location_of(tmp_path_factory.mktemp("dev"), MONITORING)


@pytest.fixture(scope="module")
def server(location) -> Iterator[Server]:
    with dev_server(location) as server:
        yield server


class TestWithoutDaemon:
    """`dagster job execute`: nobody but the run itself looks after what it started."""

    def started(self, alone, cloud, job):
        """Return a run whose command is at work."""
        seen = len(cloud.gcp.spark_jobs) + len(cloud.gcp.executions)
        process = alone.execute(job)

        def at_work(gcp):
            assert process.poll() is None, alone.log.read_text()[-3000:]
            return len(gcp.spark_jobs) + len(gcp.executions) > seen

        cloud.gcp.wait_for(at_work, timeout=PATIENCE)
        run_id = cloud.newest(job)
        cloud.runs(run_id)
        return process, run_id

    @pytest.mark.parametrize(("where", "executor", "number"), SIGNALS)
    def test_a_signal_ends_all(self, alone, cloud, where, executor, number):
        worker, run_id = self.started(alone, cloud, f"{where}_slow_{executor}")
        worker.send_signal(number)
        assert worker.wait(PATIENCE) != 0
        cloud.was_cancelled_once(run_id)

    @pytest.mark.parametrize("executor", ["in_process", "default"])
    def test_a_killed_run_leaves_its_cluster_to_the_age_limits(self, alone, cloud, executor):
        """With Dagster's multiprocess executor the step survives, until its job ends; it makes no other cluster."""
        worker, run_id = self.started(alone, cloud, f"dataproc_slow_{executor}")
        worker.kill()
        worker.wait()
        (cluster,) = cloud.clusters(run_id)
        assert cluster.state == "RUNNING"
        assert cluster.config["lifecycle_config"] == {"idle_delete_ttl": "3600s", "auto_delete_ttl": "86400s"}
        cloud.gcp.advance(DAY)
        cloud.is_clean(run_id)
        psutil.wait_procs(alone.processes(), PATIENCE)
        assert [one.deleted_by for one in cloud.clusters(run_id)] == ["auto_ttl"]
        assert len(cloud.work(run_id)) == 1

    def test_a_killed_run_leaves_its_execution_to_the_task_timeout(self, alone, cloud):
        worker, run_id = self.started(alone, cloud, "briefly_slow_in_process")
        worker.kill()
        worker.wait()
        cloud.is_clean(run_id)
        assert [(one.state, one.cancelled) for one in cloud.work(run_id)] == [("FAILED", 0)]

    def test_a_killed_run_whose_command_ends_leaves_its_cluster_to_the_idle_limit(self, alone, cloud):
        worker, run_id = self.started(alone, cloud, "dataproc_slow_in_process")
        worker.kill()
        worker.wait()
        for process in psutil.process_iter(["cmdline"]):
            if process.info["cmdline"] == ["sleep", "600"] and self._is_of(process, cloud.gcp.pid):
                end(process.pid)
        cloud.gcp.wait_for(lambda _: cloud.work(run_id)[0].state == "ERROR", timeout=PATIENCE)
        cloud.gcp.advance(3601)
        cloud.is_clean(run_id)
        assert [one.deleted_by for one in cloud.clusters(run_id)] == ["idle_ttl"]

    def _is_of(self, process, ancestor):
        with suppress(psutil.Error):  # it ended meanwhile
            return any(parent.pid == ancestor for parent in process.parents())
        return False

    def test_two_runs_at_once_do_not_get_in_each_others_way(self, tmp_path_factory, location_of, cloud):
        clusters, executions = len(cloud.gcp.all_clusters), len(cloud.gcp.executions)
        folders = [tmp_path_factory.mktemp(f"at_once_{number}") for number in range(2)]
        locations = [location_of(folder) for folder in folders]
        for job in ("dataproc_orders_in_process", "cloud_run_orders_in_process"):
            runs = [location.execute(job) for location in locations]
            assert [run.wait(PATIENCE) for run in runs] == [0, 0]
        made = cloud.gcp.all_clusters[clusters:]
        assert [one.deleted_by for one in made] == ["request"] * 2
        assert len({one.name for one in made}) == 2
        for one in made:
            run_id = one.labels["starlake-run-id"]
            assert [(job.state, job.cluster_uuid) for job in cloud.work(run_id)] == [("DONE", one.uuid)]
        started = cloud.gcp.executions[executions:]
        assert [one.state for one in started] == ["SUCCEEDED"] * 2
        assert len({one.env["DAGSTER_STARLAKE_ROOT_RUN"] for one in started}) == 2


class TestWithDaemon:
    """`dagster dev`: webserver, daemon with its sensors and run monitoring."""

    def launched(self, server, cloud, *rows):
        """Return runs whose commands are at work."""
        runs = [server.launch(f"{where}_slow_{executor}") for where, executor in rows]
        for run_id in runs:
            cloud.runs(run_id)
        return runs

    def ended(self, server, runs):
        return [server.ended(run_id) for run_id in runs]

    def processes(self, location, run_id):
        """Return the process of a run, and that of its step at work: the same one within Dagster's own process."""
        with DagsterInstance.from_config(str(location.home)) as instance:
            messages = [entry.dagster_event.message or "" for entry in instance.all_logs(run_id) if entry.dagster_event]
        pids = [int(pid) for message in messages for pid in re.findall(r"process \(pid: (\d+)\)", message)]
        return psutil.Process(pids[0]), psutil.Process(pids[-1])

    def test_terminating_a_run_ends_all(self, server, cloud):
        runs = self.launched(server, cloud, *ROWS)
        for run_id in runs:
            server.terminate(run_id)
        assert self.ended(server, runs) == ["CANCELED"] * 3
        for run_id in runs:
            cloud.was_cancelled_once(run_id)

    def test_marking_a_run_as_cancelled_ends_all(self, server, cloud):
        """Dagster takes the run for cancelled at once; its steps are interrupted all the same."""
        runs = self.launched(server, cloud, ("dataproc", "default"), ("cloud_run", "default"))
        for run_id in runs:
            server.ask(MARK_AS_CANCELLED, run=run_id)
            assert server.status(run_id) == "CANCELED"
        for run_id in runs:
            cloud.was_cancelled_once(run_id)

    def test_a_failed_op_leaves_nothing_but_its_cluster_and_that_to_the_sensor(self, server, cloud):
        """Google does not let the sensor work at first; it tries again."""
        cloud.gcp.fault("ListClusters", "FAILED_PRECONDITION")
        runs = {(where, executor): server.launch(f"{where}_wrong_{executor}") for where, executor in ROWS}
        assert self.ended(server, runs.values()) == ["FAILURE"] * 3
        for (where, _), run_id in runs.items():
            cloud.is_clean(run_id)
            on_dataproc = where == "dataproc"
            assert [(one.state, one.cancelled) for one in cloud.work(run_id)] == [
                ("ERROR" if on_dataproc else "FAILED", 0)
            ]
            assert [one.deleted_by for one in cloud.clusters(run_id)] == ["request"] * on_dataproc
        outcomes = [call.outcome for call in cloud.gcp.calls("ListClusters")]
        refused = outcomes.index("FAILED_PRECONDITION")
        assert "OK" in outcomes[refused + 1 :]

    def test_a_killed_step_leaves_nothing(self, server, location, cloud):
        runs = self.launched(server, cloud, ("dataproc", "default"), ("cloud_run", "default"))
        for run_id in runs:
            self.processes(location, run_id)[1].kill()
        assert self.ended(server, runs) == ["FAILURE"] * 2
        for run_id in runs:
            cloud.was_cancelled_once(run_id)

    def test_a_killed_run_leaves_nothing(self, server, location, cloud):
        """With Dagster's multiprocess executor the step survives for a while; it starts nothing again."""
        runs = self.launched(server, cloud, *ROWS)
        processes = [self.processes(location, run_id) for run_id in runs]
        for worker, _ in processes:
            worker.kill()
        assert self.ended(server, runs) == ["FAILURE"] * 3
        for run_id in runs:
            cloud.was_cancelled_once(run_id)
        psutil.wait_procs([step for _, step in processes], PATIENCE)
        for run_id in runs:
            cloud.was_cancelled_once(run_id)

    @pytest.mark.parametrize("where", ["dataproc", "cloud_run"])
    def test_runs_of_several_compute_profiles_leave_nothing_of_any(self, server, location, cloud, where):
        """Runs that fail, are terminated or killed: each profile has a cluster, or a job, of its own."""
        endings = {"fails": "wrong", "ends": "slow", "is killed": "slow"}
        launched = {ending: server.launch(f"{where}_profiles_{table}") for ending, table in endings.items()}
        for ending in ("ends", "is killed"):
            run_id = launched[ending]
            cloud.gcp.wait_for(
                lambda _, of=run_id: [one.state for one in cloud.work(of)][1:] == ["RUNNING"], timeout=PATIENCE
            )
            worker = self.processes(location, run_id)[0]
            server.terminate(run_id) if ending == "ends" else worker.kill()
        for ending, run_id in launched.items():
            assert server.ended(run_id) == ("CANCELED" if ending == "ends" else "FAILURE"), ending
            cloud.of_profiles_is_clean(run_id, where)

    def test_a_run_continues_one_that_failed_and_its_cluster_goes_with_it(self, server, location, cloud):
        (location.root / "project" / "broken").touch()
        run_id = server.launch("dataproc_flaky_default")
        assert server.ended(run_id) == "FAILURE"
        assert server.ended(server.reexecute(run_id)) == "SUCCESS"
        cloud.is_clean(run_id)
        assert [one.state for one in cloud.work(run_id)] == ["ERROR", "DONE"]
        assert {one.deleted_by for one in cloud.clusters(run_id)} == {"request"}

    def test_a_run_continues_one_that_failed_on_cloud_run(self, server, location, cloud):
        (location.root / "project" / "broken").touch()
        run_id = server.launch("cloud_run_flaky_default")
        assert server.ended(run_id) == "FAILURE"
        assert server.ended(server.reexecute(run_id)) == "SUCCESS"
        assert [(one.state, one.cancelled) for one in cloud.work(run_id)] == [("FAILED", 0), ("SUCCEEDED", 0)]
