"""Backfills by Dagster's own daemon: which runs it asks for, and what these make."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from dagster import DagsterInstance
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.backfill import execute_backfill_iteration

from tests.dagster.assets.conftest import key

FILE = """
from dagster import Definitions, in_process_executor
from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob

job = StarlakeDagsterEmbeddedJob(options={{"start_date": "2026-03-01", **{options!r}}})
defs = Definitions.merge(build_starlake_definitions({root!r}, job), Definitions(executor=in_process_executor))
"""
IN_THIS_PROCESS = {
    "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
    "run_launcher": {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher",
        "class": "SyncInMemoryRunLauncher",
    },
}
LARGEST = 20
"""More iterations than any of these backfills takes."""


class Location:
    """A code location of a project, an instance, and the daemon of backfills. Runs are executed in this process."""

    def __init__(self, folder, tmp_path, **options) -> None:
        self.file = tmp_path / "definitions.py"
        self.file.write_text(FILE.format(root=str(folder.root), options=options))
        self.home = tmp_path / "home"
        self.home.mkdir()

    @contextmanager
    def opened(self) -> Iterator[Location]:
        target = PythonFileTarget(
            python_file=str(self.file), attribute=None, working_directory=None, location_name="here"
        )
        with (
            DagsterInstance.local_temp(str(self.home), overrides=IN_THIS_PROCESS) as self.instance,
            create_test_daemon_workspace_context(target, self.instance) as self.workspace,
        ):
            yield self

    def backfill(self, *assets: str, partitions: list[str]) -> BulkActionStatus:
        """Run a backfill as the UI starts it, until it ends."""
        known = {
            "backfill_id": "a_backfill",
            "asset_graph": self.workspace.create_request_context().asset_graph,
            "partition_names": partitions,
            "asset_selection": [key(asset) for asset in assets],
            "backfill_timestamp": 1_800_000_000.0,
            "tags": {},
            "dynamic_partitions_store": self.instance,
            "all_partitions": False,
            "title": None,
            "description": None,
            "run_config": None,
        }
        taken = inspect.signature(PartitionBackfill.from_asset_partitions).parameters
        made = PartitionBackfill.from_asset_partitions(**{name: known[name] for name in taken})
        self.instance.add_backfill(made)
        for _ in range(LARGEST):
            list(execute_backfill_iteration(self.workspace, logging.getLogger(__name__)))
            status = self.instance.get_backfill("a_backfill").status
            if status is not BulkActionStatus.REQUESTED:
                return status
        return status

    def made(self, asset: str) -> set[str]:
        return set(self.instance.get_materialized_partitions(key(asset)))

    def runs(self) -> list[dict]:
        """Return the purpose of each run, the first one first."""
        return [
            {
                "assets": sorted(each.to_user_string() for each in run.asset_selection or ()),
                "first": run.tags.get("dagster/asset_partition_range_start", run.tags.get("dagster/partition")),
                "last": run.tags.get("dagster/asset_partition_range_end", run.tags.get("dagster/partition")),
            }
            for run in reversed(self.instance.get_runs())
        ]


@pytest.fixture
def shop(folder):
    folder.write(
        "load/shop/_config.sl.yml",
        "version: 1\nload:\n  metadata:\n    directory: '{{SL_ROOT}}/incoming/shop'\n",
    )
    folder.table("shop", "orders", more="metadata:\n  schedule: hourly")
    folder.task(
        "kpi",
        "by_day",
        "SELECT '{{sl_data_interval_start}}' AS begin, '{{sl_data_interval_end}}' AS until",
        "task:\n  schedule: daily\n  writeStrategy:\n    type: APPEND\n",
    )
    folder.task("kpi", "overall", "SELECT count(*) AS days FROM kpi.by_day", "")
    return folder


def rows(folder, sql: str) -> list[tuple]:
    import duckdb

    with duckdb.connect(str(folder.root / "datasets" / "duckdb.db"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


DAYS = ["2026-03-01", "2026-03-02", "2026-03-03"]


@pytest.mark.slow
class TestBackfills:
    def test_each_partition_has_a_run_of_its_interval(self, shop, tmp_path):
        with Location(shop, tmp_path).opened() as here:
            assert here.backfill("kpi/by_day", partitions=DAYS) is BulkActionStatus.COMPLETED_SUCCESS
            assert here.made("kpi/by_day") == set(DAYS)
            assert [(run["first"], run["last"]) for run in here.runs()] == [(day, day) for day in DAYS]
        assert rows(shop, "SELECT begin FROM kpi.by_day ORDER BY 1") == [(f"{day}T00:00:00+0000",) for day in DAYS]

    def test_one_run_makes_all_where_the_option_asks_for_it(self, shop, tmp_path):
        with Location(shop, tmp_path, backfill_policy="single_run").opened() as here:
            assert here.backfill("kpi/by_day", partitions=DAYS) is BulkActionStatus.COMPLETED_SUCCESS
            assert here.made("kpi/by_day") == set(DAYS)
            (run,) = here.runs()
            assert (run["first"], run["last"]) == ("2026-03-01", "2026-03-03")
        assert rows(shop, "SELECT * FROM kpi.by_day") == [("2026-03-01T00:00:00+0000", "2026-03-04T00:00:00+0000")]

    def test_what_has_no_partitions_is_made_once_after_them(self, shop, tmp_path):
        with Location(shop, tmp_path).opened() as here:
            status = here.backfill("kpi/by_day", "kpi/overall", partitions=DAYS)
            assert status is BulkActionStatus.COMPLETED_SUCCESS
            counted = Counter(asset for run in here.runs() for asset in run["assets"])
            assert counted == {"kpi/by_day": 3, "kpi/overall": 1}
        assert rows(shop, "SELECT days FROM kpi.overall") == [(3,)]

    def test_tables_of_different_partitions_have_runs_of_their_own(self, shop, tmp_path):
        shop.task(
            "kpi",
            "by_day",
            "SELECT count(*) AS n, '{{sl_data_interval_start}}' AS begin FROM shop.orders",
            "task:\n  schedule: daily\n  writeStrategy:\n    type: APPEND\n",
        )
        waiting = shop.root / "incoming" / "shop"
        waiting.mkdir(parents=True)
        (waiting / "orders_1.csv").write_text("id\n1\n2\n")
        hours = ["2026-03-01-00:00", "2026-03-01-01:00"]
        with Location(shop, tmp_path).opened() as here:
            status = here.backfill("shop/orders", "kpi/by_day", partitions=hours)
            assert status is BulkActionStatus.COMPLETED_SUCCESS
            assert here.made("shop/orders") == set(hours)
            assert here.made("kpi/by_day") == {"2026-03-01"}
            assert all(run["assets"] in (["shop/orders"], ["kpi/by_day"]) for run in here.runs())
        assert rows(shop, "SELECT n FROM kpi.by_day") == [(2,)]

    def test_on_the_command_line(self, shop, tmp_path, monkeypatch):
        here = Location(shop, tmp_path)
        monkeypatch.setenv("DAGSTER_HOME", str(here.home))
        dagster = [sys.executable, "-W", "ignore", "-m", "dagster"]
        what = ["-f", str(here.file), "-j", "bakery_daily", "--from", DAYS[0], "--to", DAYS[-1]]
        subprocess.run([*dagster, "job", "backfill", *what, "--noprompt"], check=True, capture_output=True)
        with DagsterInstance.from_config(str(here.home)) as instance:
            found = {run.tags["dagster/partition"]: run.job_name for run in instance.get_runs()}
        assert found == dict.fromkeys(DAYS, "bakery_daily")
