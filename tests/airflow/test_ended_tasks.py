"""Tasks that Airflow ends, and tasks whose process is killed: nothing of their command is left, and no file is lost."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow.supervised_task import SupervisedTask, alive
from tests.waiting import wait_for, whole_lines

_LOAD = """\
#!/usr/bin/env bash
# a launcher as Starlake's own, whose child does the work and ignores SIGTERM
if [ -e {folder}/works ]; then
  mkdir -p datasets/archive/sales; mv datasets/stage/sales/* datasets/archive/sales/
  echo 'IngestionCounters:{{"inputCount": 1, "acceptedCount": 1, "rejectedCount": 0}}'; exit 0
fi
mv datasets/stage/sales/* datasets/ingesting/sales/
bash -c "trap '' TERM; echo \\$\\$ > {folder}/child; while :; do sleep 1; done" &
echo $$ > {folder}/launcher
wait
"""

_DAG = """\
from datetime import datetime, timezone
from airflow.sdk import DAG
from ai.starlake.airflow.bash import StarlakeAirflowBashJob

sl_job = StarlakeAirflowBashJob(
    filename=__file__, module_name=__name__, options={{"SL_STARLAKE_PATH": {starlake!r}, "sl_env_var": {variables!r}}}
)
with DAG("sales", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    sl_job.sl_load(task_id="load_orders", domain="sales", table="orders")
"""


class Shop:
    """A project with a file that waits, a DAG that loads it, and the processes of the load."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "project"
        for area in ("stage", "ingesting"):
            (self.root / "datasets" / area / "sales").mkdir(parents=True)
        (self.root / "datasets/stage/sales/orders-1.csv").write_text("id\n1\n")
        self._write("metadata/application.sl.yml", "version: 1\napplication: {connectionRef: duckdb}\n")
        self._write("metadata/load/sales/_config.sl.yml", "version: 1\nload: {name: sales}\n")
        table = r"table: {name: orders, pattern: 'orders-.*\.csv', attributes: [{name: id, type: int}]}"
        self._write("metadata/load/sales/orders.sl.yml", f"version: 1\n{table}\n")
        starlake = folder / "starlake"
        starlake.write_text(_LOAD.format(folder=shlex.quote(str(folder))))
        starlake.chmod(0o755)
        self.dag_file = folder / "dags/sales.py"
        self.dag_file.parent.mkdir()
        self.dag_file.write_text(_DAG.format(starlake=str(starlake), variables={"SL_ROOT": str(self.root)}))

    def _write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def files(self, area: str) -> list[str]:
        return sorted(file.name for file in (self.root / "datasets" / area / "sales").glob("*.csv"))

    def task(self, try_number: int = 1) -> SupervisedTask:
        return SupervisedTask(self.dag_file, self.folder / f"try{try_number}", try_number)

    def begun(self, task: SupervisedTask) -> list[int]:
        """Wait until the command works on its file; return all processes of the task."""
        wait_for(
            "the load",
            lambda: all(whole_lines(self.folder / name) for name in _PROCESSES) or task.supervisor.poll() is not None,
        )
        assert task.supervisor.poll() is None, task.log
        assert self.files("ingesting") == ["orders-1.csv"]
        return [task.pid, *(int((self.folder / name).read_text()) for name in _PROCESSES)]

    def retry(self) -> SupervisedTask:
        """Run the next attempt, whose command works, to its end."""
        (self.folder / "works").touch()
        with self.task(2) as second:
            told = second.wait()
        assert told["state"] == "success", second.log
        assert (self.files("stage"), self.files("ingesting"), self.files("archive")) == ([], [], ["orders-1.csv"])
        return second


_PROCESSES = ("launcher", "child")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    for name in _PROCESSES:
        if (tmp_path / name).exists() and alive(pid := int((tmp_path / name).read_text())):
            os.kill(pid, signal.SIGKILL)


def test_a22_a_task_that_is_no_longer_wanted_ends_by_itself(shop: Shop):
    """Airflow sends SIGTERM, and would send SIGKILL after five seconds."""
    with shop.task() as task:
        processes = shop.begun(task)
        task.end_as_unwanted()
        task.wait()
        assert alive(*processes) == []
        assert "Process exited" in task.log
        assert "escalating" not in task.log, "the task did not end in time"
        assert "Airflow ended the task before its command was done" in task.log
    assert (shop.files("stage"), shop.files("ingesting")) == (["orders-1.csv"], [])
    shop.retry()


def test_a22_the_command_of_a_task_that_is_killed_is_ended(shop: Shop):
    """The kernel does so when memory runs out: the task itself cannot react."""
    with shop.task() as task:
        processes = shop.begun(task)
        os.kill(processes[0], signal.SIGKILL)
        task.wait()
        wait_for("the end of the command", lambda: not alive(*processes))
    assert shop.files("ingesting") == ["orders-1.csv"], "nobody could bring it back"
    shop.retry()


def test_a22_the_command_of_a_task_whose_supervisor_is_killed_is_ended(shop: Shop):
    """Airflow would begin the task again elsewhere, beside it."""
    with shop.task() as task:
        processes = shop.begun(task)
        task.supervisor.kill()
        task.supervisor.wait()
        wait_for("the end of the command", lambda: not alive(*processes))
    assert (shop.files("stage"), shop.files("ingesting")) == (["orders-1.csv"], [])
    shop.retry()
