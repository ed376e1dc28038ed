"""The sensor that loads files when they arrive: what it asks for, and what it does not ask for again."""

from __future__ import annotations

import json
import os
import time
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    Definitions,
    ExecuteInProcessResult,
    JobDefinition,
    RunRequest,
    RunsFilter,
    SensorResult,
    SkipReason,
    build_sensor_context,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import DagsterStarlakeTranslator, build_starlake_definitions
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from tests.dagster.assets.conftest import Folder

LONG_AGO = time.time() - 3_600
CONFIG = """
    version: 1
    load:
      metadata:
        directory: "{{{{SL_ROOT}}}}/incoming/{domain}"
        withHeader: true
        separator: ","
"""


class Sensor:
    """The file sensor of a project, ticked as the daemon does it: the cursor is kept, a run key is used once."""

    def __init__(self, folder: Folder, instance: DagsterInstance, **arguments: object) -> None:
        self.folder = folder
        self.instance = instance
        self.cursor: str | None = None
        options = arguments.pop("options", {})
        job = StarlakeDagsterEmbeddedJob(options=options)
        self.defs: Definitions = build_starlake_definitions(folder.project, job, **arguments)
        (self.sensor,) = [each for each in self.defs.sensors or () if each.name.endswith("_files")]

    @property
    def job(self) -> JobDefinition:
        """The job of all assets, whose name in Definitions changed after Dagster 1.9."""
        renamed = getattr(self.defs, "resolve_implicit_global_asset_job_def", None)
        return renamed() if renamed else self.defs.get_implicit_global_asset_job_def()

    def tick(self) -> SensorResult:
        context = build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=self.defs.get_repository_def(),
            sensor_name=self.sensor.name,
        )
        result = self.sensor(context)
        assert isinstance(result, SensorResult)
        self.cursor = result.cursor
        return result

    def asked(self) -> list[list[str]]:
        """Ticks; returns the assets of the runs that are asked for, whose run keys are new."""
        return [sorted(key.to_user_string() for key in each.asset_selection) for each in self.requests()]

    def requests(self) -> list[RunRequest]:
        found = self.tick().run_requests or []
        new = [each for each in found if not self._has_run(each.run_key)]
        for request in new:
            self.record(request)
        return new

    def record(self, request: RunRequest) -> DagsterRun:
        """Put a run into the queue, as the daemon does."""
        tags = {**request.tags, "dagster/run_key": request.run_key}
        return self.instance.create_run_for_job(
            job_def=self.job,
            tags=tags,
            asset_selection=frozenset(request.asset_selection),
        )

    def end(self) -> None:
        """End all runs, without doing anything."""
        for run in self.instance.get_runs():
            self.instance.report_run_failed(run)

    def run(self) -> list[ExecuteInProcessResult]:
        """Ticks, and runs what is asked for."""
        return [self.execute(request) for request in self.tick().run_requests or []]

    def execute(self, request: RunRequest) -> ExecuteInProcessResult:
        return self.job.execute_in_process(
            instance=self.instance,
            asset_selection=request.asset_selection,
            partition_key=request.partition_key,
            tags={**request.tags, "dagster/run_key": request.run_key},
            raise_on_error=False,
        )

    def _has_run(self, run_key: str) -> bool:
        return bool(self.instance.get_runs(RunsFilter(tags={"dagster/run_key": run_key})))

    @property
    def skipped(self) -> str:
        """Ticks; returns why nothing is asked for."""
        result = self.tick()
        assert not result.run_requests
        assert isinstance(result.skip_reason, SkipReason)
        return result.skip_reason.skip_message


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Two domains, and a task that reads a table of one of them."""
    for domain, tables in (("shop", ("orders", "items")), ("crm", ("people",))):
        folder.write(f"load/{domain}/_config.sl.yml", CONFIG.format(domain=domain))
        for table in tables:
            folder.table(domain, table)
        (folder.root / "incoming" / domain).mkdir(parents=True)
    folder.task("kpi", "sales", "SELECT count(*) AS n FROM shop.orders")
    return folder


def land(folder: Folder, name: str, text: str = "id\n1\n", at: float = LONG_AGO, area: str = "incoming") -> Path:
    """Put a file into the landing area."""
    file = folder.root / area / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (at, at))
    return file


def test_one_run_makes_all_tables_with_files_and_what_depends_on_them(shop, instance):
    sensor = Sensor(shop, instance)
    assert sensor.skipped == "no new files"
    land(shop, "shop/orders_1.csv")
    land(shop, "crm/people_1.csv")
    (result,) = sensor.run()
    assert result.success
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert made == {"shop/orders", "crm/people", "kpi/sales"}
    assert sensor.skipped == "no new files"
    assert not list((shop.root / "incoming").rglob("*.csv"))


def test_files_of_a_table_that_is_not_chosen_ask_for_nothing(shop, instance):
    sensor = Sensor(shop, instance, select="shop.items kpi")
    land(shop, "shop/orders_1.csv")
    assert sensor.asked() == []
    land(shop, "shop/items_1.csv")
    assert sensor.asked() == [["shop/items"]]


def test_a_set_of_files_is_asked_for_once(shop, instance):
    sensor = Sensor(shop, instance)
    land(shop, "shop/items_1.csv")
    assert sensor.asked() == [["shop/items"]]
    assert sensor.asked() == []
    sensor.end()
    assert sensor.skipped == "no new files; the files of 1 table(s) were asked for before"


def test_files_that_come_while_a_run_is_under_way_are_asked_for_after_it(shop, instance):
    sensor = Sensor(shop, instance)
    land(shop, "shop/items_1.csv")
    assert sensor.asked() == [["shop/items"]]
    land(shop, "shop/items_2.csv")
    land(shop, "shop/orders_1.csv")
    assert sensor.asked() == [["kpi/sales", "shop/orders"]]
    assert "shop.items: run" in sensor.skipped
    (shop.root / "incoming/shop/items_1.csv").unlink()
    sensor.end()
    assert sensor.asked() == [["shop/items"]]


def test_a_failing_file_is_asked_for_again_when_it_is_touched(shop, instance):
    land(shop, "shop/items_1.csv", "nonsense\n1\n")
    sensor = Sensor(shop, instance)
    (result,) = sensor.run()
    assert not result.success
    (back,) = (shop.root / "datasets/stage/shop").iterdir()
    assert sensor.asked() == []
    os.utime(back, (LONG_AGO + 9, LONG_AGO + 9))
    (result,) = sensor.run()
    assert not result.success
    back.write_text("id\n1\n")
    os.utime(back, (LONG_AGO, LONG_AGO))
    (result,) = sensor.run()
    assert result.success


def test_the_same_file_delivered_again_is_loaded_again(shop, instance):
    sensor = Sensor(shop, instance)
    for _ in range(2):
        land(shop, "shop/items_1.csv")
        (result,) = sensor.run()
        assert result.success
        assert sensor.skipped == "no new files"


@pytest.mark.parametrize("cursor", [None, "nonsense", "{}", "[1]"])
def test_a_lost_cursor_repeats_nothing(shop, instance, cursor):
    land(shop, "shop/items_1.csv")
    sensor = Sensor(shop, instance)
    assert sensor.asked() == [["shop/items"]]
    land(shop, "crm/people_1.csv")
    assert sensor.asked() == [["crm/people"]]
    sensor.end()
    sensor = Sensor(shop, instance)
    sensor.cursor = cursor
    assert sensor.asked() == []
    land(shop, "shop/items_2.csv")
    assert sensor.asked() == [["shop/items"]]


def test_a_daemon_that_ends_before_it_saves_the_cursor_repeats_nothing(shop, instance):
    land(shop, "crm/people_1.csv")
    sensor = Sensor(shop, instance)
    assert sensor.asked() == [["crm/people"]]
    saved = sensor.cursor
    land(shop, "shop/items_1.csv")
    assert sensor.asked() == [["shop/items"]]
    sensor.end()
    sensor.cursor = saved
    land(shop, "shop/orders_1.csv")
    assert sensor.asked() == [["kpi/sales", "shop/orders"]]


def test_two_sensors_of_one_name_do_not_mind_each_other(shop, instance, tmp_path):
    land(shop, "shop/items_1.csv")
    other = Folder(tmp_path / "other" / "bakery")
    other.root.parent.mkdir()
    shop.root.rename(other.root)
    first = Sensor(other, instance)
    assert first.asked() == [["shop/items"]]
    other.root.rename(shop.root)
    assert Sensor(shop, instance).asked() == [["shop/items"]]


def test_no_more_tables_than_the_option_says(shop, instance):
    for name in ("shop/orders_1.csv", "shop/items_1.csv", "crm/people_1.csv"):
        land(shop, name, at=LONG_AGO if name.startswith("shop/items") else LONG_AGO + 10)
    sensor = Sensor(shop, instance, options={"file_sensor_tables": 1})
    assert sensor.asked() == [["shop/items"]]  # whose file has waited longest
    assert sensor.asked() == [["crm/people"]]
    assert sensor.asked() == [["kpi/sales", "shop/orders"]]


def test_a_file_that_is_being_written_is_not_taken(shop, instance):
    land(shop, "shop/items_1.csv", at=time.time())
    land(shop, "shop/items_0.csv")
    sensor = Sensor(shop, instance)
    assert sensor.skipped == "no new files; shop.items: items_1.csv may still be written"
    land(shop, "shop/items_1.csv", "id\n1\n2\n", at=time.time())
    assert "may still be written" in sensor.skipped
    land(shop, "shop/items_1.csv", "id\n1\n2\n")
    assert sensor.asked() == [["shop/items"]]


def test_a_steady_stream_of_files_does_not_keep_a_table_waiting(shop, instance):
    sensor = Sensor(shop, instance)
    land(shop, "shop/items_1.csv", at=time.time())
    assert sensor.asked() == []
    land(shop, "shop/items_1.csv")
    land(shop, "shop/items_2.csv", at=time.time())
    assert sensor.asked() == [["shop/items"]]


def test_files_of_no_table_are_logged_once(shop, instance, capsys):
    land(shop, "shop/itms_1.csv")
    sensor = Sensor(shop, instance)
    assert [sensor.skipped for _ in range(3)] == ["no new files"] * 3
    assert capsys.readouterr().err.count("nearest: the pattern items") == 1
    land(shop, "shop/itms_2.csv")
    assert [sensor.skipped for _ in range(3)] == ["no new files"] * 3
    assert capsys.readouterr().err.count("nearest: the pattern items") == 2


def test_the_files_in_an_archive_count(shop, instance):
    archive = shop.root / "incoming/shop/all.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("orders_1.csv", "id\n1\n")
        packed.writestr("items_1.csv", "id\n1\n")
    sensor = Sensor(shop, instance)
    assert sensor.asked() == []  # it was written just now
    os.utime(archive, (LONG_AGO, LONG_AGO))
    assert sensor.asked() == [["kpi/sales", "shop/items", "shop/orders"]]


@pytest.mark.parametrize(
    ("strategy", "areas"),
    [("none", ["incoming", "datasets/stage"]), ("imported", ["incoming"]), ("pending", ["datasets/stage"])],
)
def test_each_strategy_watches_its_areas(shop, instance, strategy, areas):
    sensor = Sensor(shop, instance, options={"pre_load_strategy": strategy})
    (shop.root / "datasets/stage/shop").mkdir(parents=True)
    (shop.root / "datasets/stage/crm").mkdir(parents=True)
    asked = []
    for area, name in (("incoming", "shop/items_1.csv"), ("datasets/stage", "crm/people_1.csv")):
        land(shop, name, area=area)
        asked += [area] if sensor.asked() else []
    assert asked == areas


def test_a_domain_may_have_a_strategy_of_its_own(shop, instance):
    shop.write("dags/staged.sl.yml", "dag: {template: x, filename: x.py, options: {pre_load_strategy: pending}}")
    shop.write("load/crm/_config.sl.yml", CONFIG.format(domain="crm") + "        dagRef: staged\n")
    sensor = Sensor(shop, instance)
    (shop.root / "datasets/stage/crm").mkdir(parents=True)
    land(shop, "crm/people_1.csv")
    land(shop, "shop/items_1.csv")
    assert sensor.asked() == [["shop/items"]]
    land(shop, "crm/people_1.csv", area="datasets/stage")
    assert sensor.asked() == [["crm/people"]]


def test_a_file_waits_for_the_ack_file_of_its_name(shop, instance):
    shop.table("shop", "items", more="metadata: {ack: ok}")
    land(shop, "shop/items_1.csv")
    sensor = Sensor(shop, instance)
    assert sensor.skipped == "no new files"
    land(shop, "shop/items_1.ok")
    (result,) = sensor.run()
    assert result.success
    assert sensor.skipped == "no new files"


def test_a_global_ack_file_is_used_once(shop, instance):
    options = {"pre_load_strategy": "ack", "global_ack_file_path": "{SL_ROOT}/acks/{domain}/{{ds}}.ack"}
    sensor = Sensor(shop, instance, options=options)
    land(shop, "shop/items_1.csv")
    land(shop, "crm/people_1.csv")
    assert "shop.items: there is no ack file" in sensor.skipped
    ack = land(shop, f"shop/{time.strftime('%Y-%m-%d', time.gmtime())}.ack", area="acks")
    assert sensor.asked() == [["shop/items"]]
    assert ack.exists()  # until the cursor is saved
    land(shop, "shop/orders_1.csv")
    assert "shop.orders: there is no ack file" in sensor.skipped
    assert not ack.exists()
    assert sensor.asked() == []
    sensor.end()
    (shop.root / "incoming/shop/items_1.csv").unlink()
    land(shop, ack.relative_to(shop.root / "acks").as_posix(), "again", area="acks")
    assert sensor.asked() == [["kpi/sales", "shop/orders"]]


def test_a_missing_landing_area_fails_the_tick_and_keeps_no_other_domain_waiting(shop, instance, capsys):
    sensor = Sensor(shop, instance, options={"pre_load_strategy": "imported"})
    (shop.root / "incoming/crm").rmdir()
    land(shop, "shop/items_1.csv")
    assert sensor.asked() == [["shop/items"]]
    assert "incoming/crm, where files of the domain crm wait, does not exist" in capsys.readouterr().err
    with pytest.raises(StarlakeError, match="incoming/crm, where files of the domain crm wait, does not exist"):
        sensor.tick()


def test_the_sensor_is_off_unless_the_option_says_otherwise(shop, instance):
    assert Sensor(shop, instance).sensor.default_status.value == "STOPPED"
    assert Sensor(shop, instance, options={"default_status": "running"}).sensor.default_status.value == "RUNNING"
    assert not build_starlake_definitions(shop.project, sensors=False).sensors
    assert not build_starlake_definitions(shop.project, select="kpi").sensors


def test_the_cursor_grows_with_tables_and_not_with_files(shop, instance):
    sensor = Sensor(shop, instance)
    for number in range(500):
        land(shop, f"shop/items_{number}.csv")
    assert sensor.asked() == [["shop/items"]]
    assert len(sensor.cursor) < 200
    assert json.loads(sensor.cursor)["serial"] == 1


DAILY = 'metadata: {schedule: "0 0 * * *"}'


def newest_day() -> str:
    return (datetime.now(timezone.utc) - timedelta(days=1)).strftime("%Y-%m-%d")


def test_a_table_with_a_schedule_gets_its_newest_partition(shop, instance):
    shop.table("shop", "orders", more=DAILY)
    shop.task("kpi", "weekly", "SELECT * FROM shop.orders", "version: 1\ntask: {schedule: '0 0 * * 0'}\n")
    land(shop, "shop/orders_1.csv")
    land(shop, "shop/items_1.csv")
    sensor = Sensor(shop, instance)
    (request,) = sensor.tick().run_requests
    assert request.partition_key == newest_day()
    assert {key.to_user_string() for key in request.asset_selection} == {"shop/orders", "shop/items", "kpi/sales"}
    result = sensor.execute(request)
    assert result.success
    partitions = {
        event.asset_key.to_user_string(): event.partition for event in result.get_asset_materialization_events()
    }
    assert partitions == {"shop/orders": newest_day(), "shop/items": None, "kpi/sales": None}


class ByName(DagsterStarlakeTranslator):
    def partition_of(self, file):
        return file.name[len("orders_") : -len(".csv")] if file.table == "orders" else None


def test_the_translator_says_which_partition_a_file_is_for(shop, instance):
    shop.table("shop", "orders", more=DAILY)
    land(shop, "shop/orders_2025-02-01.csv")
    land(shop, "shop/orders_2025-02-03.csv")
    requests = Sensor(shop, instance, translator=ByName()).tick().run_requests
    assert [each.partition_key for each in requests] == ["2025-02-01", "2025-02-03"]
    assert len({each.run_key for each in requests}) == 2


def test_a_file_of_an_unknown_partition_keeps_no_other_table_waiting(shop, instance, capsys):
    shop.table("shop", "orders", more=DAILY)
    land(shop, "shop/orders_of_today.csv")
    land(shop, "shop/items_1.csv")
    sensor = Sensor(shop, instance, translator=ByName())
    assert sensor.asked() == [["shop/items"]]
    assert "orders_of_today.csv is for the partition of_today of shop.orders, which does not" in capsys.readouterr().err
    (shop.root / "incoming/shop/orders_of_today.csv").rename(shop.root / "incoming/shop/orders_2025-02-01.csv")
    assert sensor.asked() == [["kpi/sales", "shop/orders"]]


def test_a_table_whose_first_partition_is_not_over_waits(shop, instance, capsys):
    shop.table("shop", "orders", more=DAILY)
    land(shop, "shop/orders_1.csv")
    sensor = Sensor(shop, instance, options={"start_date": datetime.now(timezone.utc).strftime("%Y-%m-%d")})
    assert sensor.asked() == []
    assert "files of shop.orders wait, but it has no partition yet" in capsys.readouterr().err


@pytest.mark.parametrize("batched", [True, "project"])
def test_batched_steps_make_only_what_is_asked_for(shop, instance, batched):
    sensor = Sensor(shop, instance, batched=batched)
    land(shop, "shop/items_1.csv")
    land(shop, "crm/people_1.csv")
    (result,) = sensor.run()
    assert result.success
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert made == {"shop/items", "crm/people"}


def test_a_view_that_is_virtual_does_not_fail_the_run(shop, instance):
    shop.task("kpi", "seen", "SELECT * FROM shop.items", "version: 1\ntask: {sink: {materializedView: VIEW}}\n")
    land(shop, "shop/items_1.csv")
    sensor = Sensor(shop, instance, translator=DagsterStarlakeTranslator(views_as_virtual=True))
    (request,) = sensor.tick().run_requests
    assert sensor.execute(request).success
