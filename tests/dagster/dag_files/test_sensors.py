"""Sensors on real instances: triggers of a run, its dates, and the cost of a tick."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DefaultSensorStatus,
    Definitions,
    GraphDefinition,
    JobDefinition,
    MetadataValue,
    RunRequest,
    SkipReason,
    build_sensor_context,
)

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.dagster.pipelines import sensors
from ai.starlake.orchestration.dates.run_tags import tag_of_names
from ai.starlake.orchestration.freshness.policy import TriggerDataset
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

UTC = timezone.utc


@pytest.fixture
def a_job(factory):
    def make(name="kpi"):
        sl_job = factory()
        nodes = [sl_job.sl_transform("t", "kpi.orders"), sl_job.sl_load("l", "kpi", "x")]
        return JobDefinition(name=name, graph_def=GraphDefinition(name=name, node_defs=nodes))

    return make


class Ticks:
    """The ticks of one sensor, which keeps its cursor from one to the next."""

    def __init__(self, instance, sensor):
        self.instance = instance
        self.sensor = sensor
        self.cursor = None

    def __call__(self):
        """Return the run that a tick starts, or why it starts none."""
        requests = self.all()
        return requests[0] if requests else self.skip_message

    def all(self):
        with build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            logged = []
            for level in ("info", "warning"):
                setattr(context.log, level, logged.append)
            data = self.sensor.evaluate_tick(context)
        self.cursor, self.skip_message, self._logged = data.cursor, data.skip_message, logged
        return data.run_requests

    def log(self):
        """Return the log of the last tick."""
        return "\n".join(self._logged)


@pytest.fixture
def ticks(instance, a_job):
    def make(*names, on=None, job=None, now=None, **options):
        given = OrchestrationOptions.read({"min_timedelta_between_runs": 0, **options})
        datasets = [name if isinstance(name, TriggerDataset) else TriggerDataset(name) for name in names]
        clock = {"now": now} if now else {}
        return Ticks(on or instance, sensors.build(job or a_job(), datasets, given, **clock))

    return make


def materialize(instance, name, logical=None, **arguments):
    metadata = {"starlake/logical_date": MetadataValue.timestamp(logical)} if logical else {}
    key = AssetKey(name.replace(".", "_"))
    instance.report_runless_asset_event(AssetMaterialization(key, metadata=metadata, **arguments))


class TestRequests:
    def test_o05_what_a_load_materializes_is_what_the_sensor_looks_at(self, ticks, factory, instance, fake):
        fake.behave("load", counts=(3, 3, 0))
        tick = ticks("starbake.Customers", "my-domain.Données", dataset_triggering_strategy="all")
        assert "nothing new" in tick()
        sl_job = factory()
        ops = [sl_job.sl_load(None, "starbake", "Customers"), sl_job.sl_load(None, "my-domain", "Données")]
        loads = JobDefinition(name="loads", graph_def=GraphDefinition("loads", node_defs=ops))
        assert loads.execute_in_process(instance=instance).success
        request = tick()
        assert isinstance(request, RunRequest)
        assert request.tags["starlake/triggered_by"] == "my-domain.Données, starbake.Customers"
        assert "nothing new" in tick()

    def test_keys_of_two_parts_are_what_both_sides_agree_on(self, ticks, factory, instance, fake):
        fake.behave("load", counts=(3, 3, 0))
        tick = ticks("shop.orders", "my-domain.Données", dataset_triggering_strategy="all", asset_key_style="path")
        sl_job = factory(asset_key_style="path")
        ops = [sl_job.sl_load(None, "shop", "orders"), sl_job.sl_load(None, "my-domain", "Données")]
        loads = JobDefinition(name="loads", graph_def=GraphDefinition("loads", node_defs=ops))
        assert loads.execute_in_process(instance=instance).success
        assert set(instance.all_asset_keys()) == {AssetKey(["shop", "orders"]), AssetKey(["my-domain", "Données"])}
        request = tick()
        assert isinstance(request, RunRequest)
        assert request.tags["starlake/triggered_by"] == "my-domain.Données, shop.orders"

    def test_the_run_has_the_dates_of_the_data(self, ticks, a_job, instance, fake):
        job = a_job()
        tick = ticks(TriggerDataset("a.x", cron="0 0 * * *"), job=job)
        materialize(instance, "a.x", datetime(2026, 3, 1, tzinfo=UTC))
        request = tick()
        assert job.execute_in_process(instance=instance, tags=request.tags, run_config=request.run_config).success
        (transform,) = fake.calls("transform")
        assert transform.value_of("--scheduledDate") == "2026-03-01T00:00:00+0000"
        assert transform.options == {
            "sl_data_interval_start": "2026-03-01T00:00:00+0000",
            "sl_data_interval_end": "2026-03-02T00:00:00+0000",
        }
        assert fake.calls("load")[0].value_of("--scheduledDate") == "2026-03-01T00:00:00+0000"

    def test_the_date_of_what_others_materialized_is_that_of_its_partition(self, ticks, instance):
        tick = ticks("a.x")
        materialize(instance, "a.x", partition="2026-03-01")
        assert tick().tags["starlake/logical_date"] == "2026-03-01T00:00:00+00:00"

    def test_the_same_updates_have_the_same_run_key(self, ticks, instance):
        tick = ticks("a.x", "a.y")
        materialize(instance, "a.x")
        first = tick()
        tick.cursor = None
        assert tick().run_key == first.run_key
        materialize(instance, "a.y")
        assert tick().run_key != first.run_key

    def test_o06_an_event_of_before_the_start_date_is_no_update(self, ticks, instance):
        materialize(instance, "a.x")
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
        assert "nothing new" in ticks("a.x", start_date=str(tomorrow))()
        assert isinstance(ticks("a.x", start_date="2026-01-01")(), RunRequest)

    def test_o06_any_waits_for_one_only(self, ticks, instance):
        tick = ticks("a.x", "a.y", "a.z")
        materialize(instance, "a.z")
        assert isinstance(tick(), RunRequest)

    @pytest.mark.parametrize("enabled", [True, False])
    def test_a_data_cycle_that_is_not_named_is_that_of_the_data(self, ticks, instance, enabled):
        daily = [TriggerDataset(name, cron="0 0 * * *") for name in ("a.x", "a.y")]
        tick = ticks(*daily, dataset_triggering_strategy="all", data_cycle_enabled=enabled)
        materialize(instance, "a.x", datetime(2026, 3, 1, tzinfo=UTC))
        materialize(instance, "a.y", datetime(2026, 3, 2, tzinfo=UTC))
        if not enabled:
            assert isinstance(tick(), RunRequest)
            return
        assert "waits for a.x" in tick()
        materialize(instance, "a.x", datetime(2026, 3, 2, tzinfo=UTC))
        assert tick().tags["starlake/logical_date"] == "2026-03-02T00:00:00+00:00"

    def test_o07_two_sensors_look_at_their_own_datasets(self, ticks, a_job, instance):
        strategy = {"dataset_triggering_strategy": "all"}
        made = [ticks("a.x", "a.z", job=a_job("one"), **strategy), ticks("a.x", job=a_job("two"), **strategy)]
        materialize(instance, "a.x")
        one, two = (tick() for tick in made)
        assert "waits for a.z" in one
        assert isinstance(two, RunRequest)

    def test_m04_a_dry_run_of_what_it_waits_for_starts_nothing(self, ticks, factory, instance):
        load = factory().sl_load(None, "a", "x")
        loads = JobDefinition(name="loads", graph_def=GraphDefinition("loads", node_defs=[load]))
        tick = ticks("a.x")
        assert loads.execute_in_process(instance=instance, tags={"starlake/dry_run": "true"}).success
        assert "nothing new" in tick()

    def test_runs_keep_their_distance(self, ticks, instance):
        now = datetime(2026, 3, 2, tzinfo=UTC)
        clock = [now]
        tick = ticks("a.x", now=lambda: clock[0], min_timedelta_between_runs="600")
        materialize(instance, "a.x", now)
        assert isinstance(tick(), RunRequest)
        materialize(instance, "a.x", now)
        assert "min_timedelta_between_runs" in tick()
        clock[0] += timedelta(seconds=600)
        assert isinstance(tick(), RunRequest)

    def test_data_cycles(self, ticks, instance):
        tick = ticks("a.x", "a.y", dataset_triggering_strategy="all", data_cycle_enabled="true", data_cycle="daily")
        materialize(instance, "a.x", datetime(2026, 3, 1, 5, tzinfo=UTC))
        materialize(instance, "a.y", datetime(2026, 2, 28, 5, tzinfo=UTC))
        assert "waits for a.y" in tick()
        materialize(instance, "a.y", datetime(2026, 3, 1, 23, tzinfo=UTC))
        assert tick().tags["starlake/logical_date"] == "2026-03-01T00:00:00+00:00"

    def test_the_zone_is_that_of_the_generated_file(self, ticks, instance):
        tick = ticks(TriggerDataset("a.x", cron="@daily"), SL_TIMEZONE="America/New_York")
        materialize(instance, "a.x", datetime(2026, 3, 1, 23, tzinfo=UTC))
        assert tick().tags["starlake/logical_date"] == "2026-03-01T00:00:00-05:00"


DAILY = [TriggerDataset(name, cron="0 0 * * *") for name in ("a.x", "a.y")]


def days(requests):
    return [request.tags["starlake/logical_date"][:10] for request in requests]


class TestSeveralIntervals:
    """Records of loads between two ticks: a backfill, a catch-up, or a downtime of the daemon."""

    def load(self, instance, *numbers, names=("a.x", "a.y")):
        for number in numbers:
            for name in names:
                materialize(instance, name, datetime(2026, 3, number, tzinfo=UTC))

    @pytest.mark.parametrize("options", [{}, {"data_cycle_enabled": "true", "data_cycle": "daily"}])
    def test_each_has_a_run(self, ticks, instance, options):
        tick = ticks(*DAILY, dataset_triggering_strategy="all", **options)
        self.load(instance, 10)
        assert days(tick.all()) == ["2026-03-10"]
        self.load(instance, 11, 12, 13)
        requests = tick.all()
        assert days(requests) == ["2026-03-11", "2026-03-12", "2026-03-13"]
        assert len({request.run_key for request in requests}) == 3
        assert requests[0].tags["starlake/data_interval_end"] == "2026-03-12T00:00:00+00:00"
        assert "nothing new" in tick()

    def test_those_that_are_incomplete_wait(self, ticks, instance):
        tick = ticks(*DAILY, dataset_triggering_strategy="all", data_cycle_enabled="true")
        self.load(instance, 10)
        tick()
        self.load(instance, 11, 12, 13, names=["a.x"])
        self.load(instance, 11, 13, names=["a.y"])
        assert days(tick.all()) == ["2026-03-11", "2026-03-13"]
        assert "waits for a.y of the cycle that begins at 2026-03-12" in tick()
        self.load(instance, 12, names=["a.y"])
        assert days(tick.all()) == ["2026-03-12"]

    def test_what_is_loaded_again_is_transformed_again(self, ticks, instance):
        tick = ticks(*DAILY, dataset_triggering_strategy="all", data_cycle_enabled="true")
        self.load(instance, 10)
        tick()
        self.load(instance, 11)
        tick()
        self.load(instance, 10, names=["a.y"])
        assert days(tick.all()) == ["2026-03-10"]

    def test_the_first_tick_starts_the_newest_and_names_the_others(self, ticks, instance):
        tick = ticks(*DAILY)
        self.load(instance, 10, names=["a.x"])
        self.load(instance, 12, names=["a.y"])
        assert days(tick.all()) == ["2026-03-12"]
        assert "begin at 2026-03-10T00:00:00+00:00" in tick.log()
        assert "catchup" in tick.log()

    def test_catching_up_the_first_tick_starts_all(self, ticks, instance):
        tick = ticks(*DAILY, catchup="true", start_date="2026-01-01")
        self.load(instance, 10, 11, 12)
        assert days(tick.all()) == ["2026-03-10", "2026-03-11", "2026-03-12"]

    def test_an_option_leaves_them_out_and_the_log_names_them(self, ticks, instance):
        tick = ticks(*DAILY, missed_intervals="skip")
        self.load(instance, 10)
        tick()
        self.load(instance, 11, 12, 13)
        assert days(tick.all()) == ["2026-03-13"]
        assert "2026-03-11T00:00:00+00:00, 2026-03-12T00:00:00+00:00" in tick.log()
        assert "missed_intervals" in tick.log()
        assert "nothing new" in tick()

    def test_a_tick_starts_a_hundred_at_most_and_the_next_one_goes_on(self, ticks, instance):
        tick = ticks(TriggerDataset("a.x", cron="0 * * * *"), start_date="2026-01-01")
        tick()
        for hour in range(130):
            materialize(instance, "a.x", datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour))
        assert [len(tick.all()), len(tick.all())] == [100, 30]
        assert "nothing new" in tick()

    def test_more_records_than_a_tick_reads_are_read_by_the_next_ones(self, ticks, instance, monkeypatch):
        for name, value in (("_PAGE", 5), ("_MOST_PAGES", 2), ("_OVERLAP", 0)):
            monkeypatch.setattr(sensors, name, value)
        tick = ticks(*DAILY)
        tick()
        self.load(instance, *range(1, 16))
        found = [day for _ in range(3) for day in days(tick.all())]
        assert sorted(set(found)) == [f"2026-03-{number:02}" for number in range(1, 16)]
        assert "nothing new" in tick()

    @pytest.mark.parametrize("updated", [1, 60])
    def test_queries_do_not_grow_with_the_tables(self, ticks, instance, monkeypatch, updated):
        datasets = [TriggerDataset(f"a.t{number}", cron="0 0 * * *") for number in range(60)]
        tick = ticks(*datasets)
        tick()
        self.load(instance, 1, 2, names=[dataset.name for dataset in datasets[:updated]])
        counting = Counting(instance, monkeypatch)
        assert days(tick.all()) == ["2026-03-01", "2026-03-02"]
        assert counting.queries == 2


class TestTags:
    @pytest.mark.parametrize("length", [1, 3, 40, 97, 98, 300])
    @pytest.mark.parametrize("letter", ["t", "é", "表"])
    @pytest.mark.parametrize("count", [1, 2, 3, 400])
    def test_none_exceeds_what_postgresql_indexes(self, length, letter, count):
        text = tag_of_names([letter * length] * count)
        assert len(text.encode()) <= 200
        assert count == 1 or re.search(r" and \d+ more$", text) or text.count(letter * length) == count

    def test_of_many_tables_the_tag_names_some_and_the_log_all(self, ticks, instance):
        names = [f"domain{number}.table" for number in range(100)]
        tick = ticks(*names)
        tick()
        for name in names:
            instance.report_runless_asset_event(AssetMaterialization(AssetKey(sanitize_id(name))))
        (request,) = tick.all()
        assert max(len(value.encode()) for value in request.tags.values()) <= 200
        assert re.search(r" and \d+ more$", request.tags["starlake/triggered_by"])
        assert names[99] in tick.log()

    def test_a_short_list_is_whole(self):
        assert [tag_of_names(["b.x", "a.y"]), tag_of_names(["a.y"])] == ["b.x, a.y", "a.y"]


class TestCursor:
    @pytest.mark.parametrize("cursor", ["not JSON", "[]", "{}", '{"version": 99}', '{"AssetKey": ["2026", 5, {}]}'])
    def test_a_cursor_of_another_sensor_is_forgotten(self, ticks, instance, cursor):
        materialize(instance, "a.x")
        tick = ticks("a.x")
        tick.cursor = cursor
        assert isinstance(tick(), RunRequest)

    def test_it_does_not_grow(self, ticks, instance):
        tick = ticks("a.x", "a.y")
        sizes = set()
        for day in range(1, 20):
            materialize(instance, "a.x", datetime(2026, 3, day, 12, 30, tzinfo=UTC))
            tick()
            sizes.add(len(json.dumps(json.loads(tick.cursor) | {"consumed": None, "launched": None, "previous": None})))
        assert len(sizes) == 1


class Counting:
    """Counts the queries of an instance's storage for events, and the returned records."""

    def __init__(self, instance, monkeypatch):
        self.queries = self.records = 0
        for owner, name in ((instance, "get_asset_records"), (instance.event_log_storage, "get_event_records")):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))
        for name in (
            "fetch_materializations",
            "get_event_records",
            "all_logs",
            "get_records_for_run",
            "get_run_records",
        ):
            monkeypatch.setattr(instance, name, self._refused, raising=False)

    def _counted(self, method):
        def counted(*arguments, **keywords):
            result = method(*arguments, **keywords)
            self.queries += 1
            self.records += len(result)
            return result

        return counted

    def _refused(self, *_arguments, **_keywords):
        raise AssertionError("the history is read")


@contextmanager
def stored(kind, folder):
    with DagsterInstance.ephemeral() if kind == "memory" else DagsterInstance.local_temp(str(folder)) as instance:
        yield instance


@pytest.mark.parametrize("kind", ["memory", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_a_tick_costs_the_same_after_10_and_300_materializations(ticks, tmp_path, monkeypatch, kind):
    read = []
    for history in (10, 300):
        folder = tmp_path / str(history)
        folder.mkdir()
        with stored(kind, folder) as instance, monkeypatch.context() as patch:
            for number in range(history):
                materialize(instance, ("a.x", "a.y")[number % 2])
            counting = Counting(instance, patch)
            tick = ticks("a.x", "a.y", on=instance)
            assert isinstance(tick(), RunRequest)
            assert "nothing new" in tick()
            read.append((counting.queries, counting.records))
    assert read == [(2, 4), (2, 4)]


class TestDefinition:
    @pytest.mark.parametrize(
        ("options", "status"),
        [({}, DefaultSensorStatus.STOPPED), ({"default_status": "running"}, DefaultSensorStatus.RUNNING)],
    )
    def test_it_is_part_of_a_code_location(self, ticks, a_job, options, status):
        job = a_job("my_kpi")
        sensor = ticks("a.x", job=job, **options).sensor
        assert (sensor.name, sensor.default_status) == ("my_kpi_sensor", status)
        repository = Definitions(jobs=[job], sensors=[sensor]).get_repository_def()
        assert repository.get_sensor_def("my_kpi_sensor").job_name == "my_kpi"

    def test_skips_say_why(self, instance, a_job):
        sensor = sensors.build(a_job(), [TriggerDataset("a.x")], OrchestrationOptions.read({}))
        assert isinstance(sensor(build_sensor_context(instance=instance)), SkipReason)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"dataset_triggering_strategy": "a.x & b"}, "does not depend on b"),
            ({"data_cycle_enabled": True, "data_cycle": "61 * * * *"}, "61"),
        ],
    )
    def test_options_are_checked_when_the_file_is_loaded(self, ticks, options, message):
        with pytest.raises(StarlakeError, match=message):
            ticks("a.x", **options)

    def test_a_pipeline_without_datasets_cannot_wait(self, ticks):
        with pytest.raises(StarlakeError, match="depends on no dataset"):
            ticks()
