"""A project beside assets of the user's own, which use the same DuckDB file."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from shutil import copytree
from textwrap import dedent

import duckdb
import pytest
from dagster import AssetKey, DagsterInstance, Definitions, asset

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import StarlakeDuckDB, build_starlake_definitions
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.flaky import Shop
from tests.dagster.assets.reporting import job_of_all
from tests.fakes.fake_cli import FakeStarlake
from tests.waiting import PATIENCE, meanwhile

SAMPLE = Path(__file__).parents[3] / "samples" / "beside_others"

HOLDER = """
import sys, time, duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
time.sleep(float(sys.argv[2]))
connection.close()
"""


@pytest.fixture
def sample(tmp_path: Path) -> Definitions:
    """Return the sample, copied."""
    root = copytree(SAMPLE, tmp_path / "beside")
    scope: dict[str, object] = {"__file__": str(root / "definitions.py"), "__name__": "beside"}
    exec(compile((root / "definitions.py").read_text(), root / "definitions.py", "exec"), scope)
    return scope["defs"]


@pytest.fixture
def database(tmp_path: Path) -> StarlakeDuckDB:
    return StarlakeDuckDB(database=str(tmp_path / "shared.db"), timeout=PATIENCE)


@pytest.fixture
def holder(database: StarlakeDuckDB):
    """Another process that has the file open for some seconds, at most until the test ends."""
    started = []

    def hold(seconds: float) -> None:
        command = [sys.executable, "-c", dedent(HOLDER), database.database, str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        process.stdout.readline()

    yield hold
    for process in started:
        process.kill()
        process.communicate()


class TestSample:
    def test_a_task_reads_an_asset_of_ones_own_and_feeds_another(self, sample: Definitions) -> None:
        job = job_of_all(sample)
        result = job.execute_in_process(instance=DagsterInstance.ephemeral())
        made = {
            event.asset_key.to_user_string(): event.materialization
            for event in result.get_asset_materialization_events()
        }
        assert made.keys() == {"weather", "sales/orders", "kpis/sales_by_weather", "best_weather"}
        assert made["best_weather"].metadata["sky"].value == "sun"
        assert made["best_weather"].metadata["amount"].value == 32.5

    def test_the_graph_joins_them(self, sample: Definitions) -> None:
        specs = (
            {spec.key: spec for spec in sample.resolve_all_asset_specs()}
            if hasattr(sample, "resolve_all_asset_specs")
            else {spec.key: spec for spec in sample.get_all_asset_specs()}
        )
        task = specs[AssetKey(["kpis", "sales_by_weather"])]
        assert {dep.asset_key for dep in task.deps} == {AssetKey("weather"), AssetKey(["sales", "orders"])}


class TestTurns:
    def test_without_the_resource_a_file_that_is_in_use_cannot_be_opened(self, database, holder) -> None:
        holder(600)
        with pytest.raises(duckdb.Error, match="lock"):
            duckdb.connect(database.database)

    def test_a_connection_waits_for_another_process(self, database, holder) -> None:
        holder(1)
        with database.get_connection() as connection:
            connection.execute("CREATE TABLE weather (day DATE)")
        assert duckdb.connect(database.database).sql("SELECT count(*) FROM weather").fetchall() == [(0,)]

    def test_a_connection_waits_no_longer_than_it_may(self, database, holder) -> None:
        holder(600)
        short = StarlakeDuckDB(database=database.database, timeout=0.3)
        with pytest.raises(StarlakeError, match="is in use"), short.get_connection():
            pass

    def test_a_command_of_starlake_waits_for_a_connection(self, folder: Folder, tmp_path: Path) -> None:
        """The fake command notes when it begins: after the block has ended."""
        shop = Shop(folder, tables=1, flaky=())
        fake = FakeStarlake(tmp_path / "bin")
        database = StarlakeDuckDB(database=str(folder.root / "datasets" / "duckdb.db"))
        job = StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": str(fake)})
        definitions = build_starlake_definitions(shop.folder.root, job, sensors=False)
        ended = []

        def hold() -> None:
            with database.get_connection():
                begun.set()
                time.sleep(1)
                ended.append(time.time())

        begun = threading.Event()
        with meanwhile(hold):
            assert begun.wait(PATIENCE)
            result = job_of_all(definitions).execute_in_process(instance=DagsterInstance.ephemeral())
        assert result.success
        (load,) = fake.calls("load")
        assert load.started > ended[0]

    def test_a_step_that_waits_is_told_who_holds_the_file(self, database) -> None:
        """Two steps of two runs: the second waits, and names the first."""
        begun, told = threading.Event(), threading.Event()

        @asset
        def slow() -> None:
            with database.turn():
                begun.set()
                told.wait(120)

        def first() -> None:
            # Left to the garbage collector, its connections would be closed in another thread, which SQLite refuses.
            # pytest keeps the logged error, and with it the statement that ran meanwhile: its commit would fail.
            with DagsterInstance.ephemeral() as instance:
                job_of_all(Definitions(assets=[slow])).execute_in_process(instance=instance)

        short = StarlakeDuckDB(database=database.database, timeout=0.2)
        with meanwhile(first):
            try:
                assert begun.wait(PATIENCE)
                with pytest.raises(StarlakeError, match="step slow of run"), short.turn():
                    pass
            finally:
                told.set()
