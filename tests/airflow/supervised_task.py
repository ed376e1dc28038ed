"""A task under Airflow's own supervisor, in processes of their own, and without a server.

`SupervisedTask` starts this file as a script. It runs one task of a DAG file as a worker does: a supervisor forks the
process of the task, talks to it, and ends it when the server says so. The server is a function in the supervisor: it
records its requests, and ends the task as soon as the file ``unwanted`` exists.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.waiting import PATIENCE, end, is_alive, whole_lines

_REPOSITORY = Path(__file__).parents[2]


@dataclass
class SupervisedTask:
    """A task that runs.

    Args:
        dag_file: Its DAG file, the only one of its folder.
        folder: Folder of the log of the task and of the server's records.
        try_number: Number of the attempt.
    """

    dag_file: Path
    folder: Path
    try_number: int = 1

    def __enter__(self) -> SupervisedTask:
        self.folder.mkdir(parents=True)
        arguments = [str(self.dag_file), str(self.folder), str(self.try_number)]
        with (self.folder / "supervisor.log").open("w") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, __file__, *arguments],
                env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.supervisor.poll() is None:
            end(*self._children(), self.supervisor.pid)
            self.supervisor.wait()

    @property
    def pid(self) -> int:
        """The process of the task."""
        (pid,) = self._children()
        return pid

    def _children(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.supervisor.pid).children()]

    def end_as_unwanted(self) -> None:
        """Let the server say that the task is no longer wanted, as when somebody marks it as failed in the UI."""
        (self.folder / "unwanted").touch()

    def wait(self) -> dict[str, Any]:
        """Wait for the end of the task; return what the server was told of its last state, with its asset events."""
        self.supervisor.wait(PATIENCE)
        return [told for told in self.told() if "state" in told][-1]

    def told(self) -> Iterator[dict[str, Any]]:
        """Yield what the server was told so far."""
        yield from map(json.loads, whole_lines(self.folder / "told.jsonl"))

    @property
    def log(self) -> str:
        """All that the task and its supervisor wrote."""
        files = [self.folder / "supervisor.log", self.folder / "task.log"]
        return "\n".join(file.read_text() for file in files if file.exists())


def alive(*pids: int) -> list[int]:
    """Return which of some processes live."""
    return [pid for pid in pids if is_alive(pid)]


def _main(dag_file: Path, folder: Path, try_number: int) -> int:
    from tests.airflow.airflow_home import dag_bag, fresh_database  # before airflow

    fresh_database(dag_file.parent)
    os.environ["AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL"] = "1"
    import httpx
    import uuid6
    from airflow.executors.workloads import BundleInfo
    from airflow.executors.workloads.task import TaskInstanceDTO
    from airflow.sdk.api.client import Client
    from airflow.sdk.execution_time.supervisor import supervise_task

    (dag,) = dag_bag(dag_file).dags.values()
    (task,) = dag.tasks
    run = {
        "dag_id": dag.dag_id,
        "run_id": "a-run",
        "logical_date": "2026-03-01T00:00:00Z",
        "data_interval_start": None,
        "data_interval_end": None,
        "end_date": None,
        "partition_key": None,
        "start_date": "2026-03-01T00:00:00Z",
        "run_type": "manual",
        "run_after": "2026-03-01T00:00:00Z",
        "consumed_asset_events": [],
        "state": "running",
    }

    def server(request: httpx.Request) -> httpx.Response:
        text = request.read().decode()
        with (folder / "told.jsonl").open("a") as told:
            body = json.loads(text) if text else {}
            told.write(json.dumps({"path": request.url.path, **(body if isinstance(body, dict) else {})}) + "\n")
        if request.url.path.endswith("/run"):
            return httpx.Response(200, json={"dag_run": run, "max_tries": 1, "should_retry": True})
        if request.url.path.endswith("/heartbeat") and (folder / "unwanted").exists():
            return httpx.Response(409, json={"detail": {"reason": "not_running", "current_state": "failed"}})
        if request.method == "GET" and "/store/" in request.url.path:
            return httpx.Response(404, json={"detail": {"reason": "not_found", "message": "nothing is kept"}})
        return httpx.Response(200, json={})

    ti = TaskInstanceDTO(
        id=uuid6.uuid7(),
        dag_version_id=uuid6.uuid7(),
        task_id=task.task_id,
        dag_id=dag.dag_id,
        run_id="a-run",
        try_number=try_number,
        map_index=-1,
        pool_slots=1,
        queue="default",
        priority_weight=1,
    )
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return supervise_task(
        ti=ti,
        bundle_info=BundleInfo(name="dags-folder"),
        dag_rel_path=dag_file.name,
        token="",
        client=Client(base_url=None, dry_run=True, token="", transport=httpx.MockTransport(server)),
        log_path=str(folder / "task.log"),
    )


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
