"""Sensors that react to what runs record: each event once, whatever the daemon does meanwhile."""

import json
import time

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    ConfigurableResource,
    DagsterInstance,
    Definitions,
    OpExecutionContext,
    SensorDefinition,
    StaticPartitionsDefinition,
    asset,
    build_sensor_context,
    job,
    multi_asset,
    op,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import (
    StarlakeDagsterJob,
    TableEvent,
    build_starlake_definitions,
    on_check_failed,
    on_rows_rejected,
    on_table_failed,
)
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from tests.dagster.assets.conftest import Folder


class Notes(list):
    """An action that notes the events which it gets."""

    __name__ = "notes"

    def __call__(self, event: TableEvent) -> None:
        self.append(event)

    def taken(self) -> list[TableEvent]:
        found = list(self)
        self.clear()
        return found

    def tables(self) -> list[str]:
        return sorted(event.table for event in self.taken())


class Ticks:
    """Ticks a sensor of a code location; the cursor is kept if the tick succeeds."""

    def __init__(self, sensor: SensorDefinition, defs: Definitions, instance: DagsterInstance, **resources: object):
        self.sensor, self.instance = sensor, instance
        self.defs = Definitions.merge(defs, Definitions(sensors=[sensor], resources=resources))
        self.cursor: str | None = None
        self.resources = resources
        self()  # reading begins here
        time.sleep(0.01)

    def __call__(self):
        context = build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=self.defs.get_repository_def(),
            sensor_name=self.sensor.name,
            resources=self.resources,
        )
        result = self.sensor(context)
        self.cursor = result.cursor
        return result

    def run(self, *assets: str, tags: dict[str, str] | None = None):
        renamed = getattr(self.defs, "resolve_implicit_global_asset_job_def", None)
        whole = renamed() if renamed else self.defs.get_implicit_global_asset_job_def()
        keys = [AssetKey.from_user_string(each) for each in assets] or None
        return whole.execute_in_process(instance=self.instance, asset_selection=keys, tags=tags, raise_on_error=False)


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Two tables whose files have a good and a bad row, one with a check, and a task that fails."""
    folder.write(
        "load/shop/_config.sl.yml",
        """
        version: 1
        load:
          metadata: {directory: "{{SL_ROOT}}/incoming/shop", withHeader: true, separator: ","}
        """,
    )
    folder.write("expectations/shop.j2", "{% macro few_rows() %}SELECT count(*) FROM SL_THIS{% endmacro %}")
    folder.table("shop", "orders", more='expectations:\n  - expect: "few_rows()"')
    folder.table("shop", "items")
    folder.task("kpi", "broken", "SELECT no_such_function(id) AS n FROM shop.items")
    (folder.root / "incoming/shop").mkdir(parents=True)
    return folder


def deliver(shop: Folder, *tables: str) -> None:
    for table in tables:
        (shop.root / f"incoming/shop/{table}_1.csv").write_text("id\n1\nx\n")


def defs_of(shop: Folder, **options: object) -> Definitions:
    return build_starlake_definitions(shop.project, StarlakeDagsterEmbeddedJob(options=options), sensors=False)


def test_rejected_rows_are_told_once(shop, instance):
    notes = Notes()
    ticks = Ticks(on_rows_rejected(notes), defs_of(shop), instance)
    deliver(shop, "orders", "items")
    assert ticks.run("shop/orders", "shop/items").success
    assert ticks().skip_reason.skip_message == "2 event(s)"
    events = {event.table: event for event in notes.taken()}
    assert set(events) == {"shop.orders", "shop.items"}
    assert (events["shop.items"].rows_read, events["shop.items"].rows_rejected) == (2, 1)
    assert events["shop.items"].message == "shop.items: 1 of 2 rows are rejected"
    ticks()
    assert notes == []


def test_rejected_rows_of_a_load_that_fails_for_them(shop, instance):
    notes = Notes()
    ticks = Ticks(on_rows_rejected(notes), defs_of(shop, max_rejected=0), instance)
    deliver(shop, "items")
    assert not ticks.run("shop/items").success
    ticks()
    (event,) = notes
    assert (event.table, event.rows_rejected) == ("shop.items", 1)


def test_fewer_rows_than_the_threshold_are_not_told(shop, instance):
    notes = Notes()
    ticks = Ticks(on_rows_rejected(notes, threshold=2), defs_of(shop), instance)
    deliver(shop, "orders", "items")
    (shop.root / "incoming/shop/items_1.csv").write_text("id\nx\ny\n1\n")
    assert ticks.run("shop/orders", "shop/items").success
    ticks()
    assert notes.tables() == ["shop.items"]


def test_a_check_that_fails_is_told_though_the_run_succeeds(shop, instance):
    notes = Notes()
    ticks = Ticks(on_check_failed(notes), defs_of(shop), instance)
    deliver(shop, "orders")
    result = ticks.run("shop/orders")
    assert result.success
    ticks()
    events = {event.check: event for event in notes.taken()}
    assert set(events) == {"few_rows", "rejected_rows"}
    assert (events["few_rows"].table, events["few_rows"].severity, events["few_rows"].run_id) == (
        "shop.orders",
        "WARN",
        result.run_id,
    )


def test_a_failure_names_the_table_and_says_why(shop, instance):
    notes = Notes()
    ticks = Ticks(on_table_failed(notes), defs_of(shop), instance)
    deliver(shop, "items")
    assert not ticks.run("shop/items", "kpi/broken").success
    ticks()
    (event,) = notes.taken()
    assert event.table == "kpi.broken"
    assert "no_such_function" in event.message
    ticks()
    assert notes == []


def test_each_table_of_a_batched_step_that_fails_is_told(shop, instance):
    notes = Notes()
    shop.task("kpi", "worse", "SELECT another_one(id) AS n FROM shop.items")
    shop.task("kpi", "behind", "SELECT n FROM kpi.worse")
    defs = build_starlake_definitions(shop.project, sensors=False, batched="project")
    ticks = Ticks(on_table_failed(notes), defs, instance)
    deliver(shop, "items", "orders")
    assert not ticks.run().success
    ticks()
    events = {event.table: event.message for event in notes}
    assert set(events) == {"kpi.broken", "kpi.worse"}
    assert "another_one" in events["kpi.worse"]
    assert "another_one" not in events["kpi.broken"]


def test_a_step_that_ends_without_saying_why_names_its_table(shop, instance, monkeypatch):
    notes = Notes()
    ticks = Ticks(on_table_failed(notes), defs_of(shop), instance)

    def killed(*_arguments, **_more):
        raise SystemError("out of memory")

    monkeypatch.setattr("ai.starlake.embedded.embedded_executor.EmbeddedExecutor.run", killed)
    assert not ticks.run("shop/items").success
    ticks()
    (event,) = notes
    assert event.table == "shop.items"
    assert "out of memory" in event.message


def test_ops_of_the_factory_are_told_too(shop, instance):
    notes = Notes()
    sl_job: StarlakeDagsterJob = StarlakeDagsterEmbeddedJob(options={"sl_env_var": {"SL_ROOT": str(shop.root)}})

    @job
    def nightly():
        sl_job.sl_transform(None, "kpi.broken")()

    ticks = Ticks(on_table_failed(notes), Definitions(jobs=[nightly]), instance)
    assert not nightly.execute_in_process(instance=instance, raise_on_error=False).success
    ticks()
    assert notes.tables() == ["kpi.broken"]


def test_every_partition_is_told_and_not_only_the_last(instance):
    notes = Notes()
    partitions = StaticPartitionsDefinition(["a", "b", "c"])

    @asset(partitions_def=partitions)
    def orders(context: OpExecutionContext):
        rows = {"starlake/rows_read": 2, "starlake/rows_rejected": 1}
        context.log_event(AssetMaterialization("orders", partition=context.partition_key, metadata=rows))

    ticks = Ticks(on_rows_rejected(notes), Definitions([orders]), instance)
    for key in ("a", "b", "c"):
        renamed = getattr(ticks.defs, "resolve_implicit_global_asset_job_def", None)
        whole = renamed() if renamed else ticks.defs.get_implicit_global_asset_job_def()
        whole.execute_in_process(instance=instance, partition_key=key)
    ticks()
    assert sorted(event.partition for event in notes) == ["a", "b", "c"]


def test_assets_of_others_are_not_told(shop, instance):
    notes = Notes()

    @asset
    def plain():
        raise ValueError("not ours")

    ticks = Ticks(on_table_failed(notes), Definitions.merge(defs_of(shop), Definitions([plain])), instance)
    assert not ticks.run("plain").success
    ticks()
    assert notes == []


def test_only_tables_of_the_project_count(shop, instance, tmp_path):
    other = Folder(tmp_path / "other")
    other.write("application.sl.yml", "version: 1\napplication: {}\n")
    other.table("crm", "people")
    ours, others = Notes(), Notes()
    defs = defs_of(shop)
    ticks = [
        Ticks(on_rows_rejected(ours, project=shop.root, name="ours"), defs, instance),
        Ticks(on_rows_rejected(others, project=other.project, name="others"), defs, instance),
    ]
    deliver(shop, "items")
    ticks[0].run("shop/items")
    for tick in ticks:
        tick()
    assert (ours.tables(), others.tables()) == (["shop.items"], [])


def test_events_of_a_run_under_way_are_told_before_it_ends(instance):
    seen = []
    notes = Notes()

    @multi_asset(specs=[], name="nothing")
    def nothing():
        pass

    @op
    def rejects(context: OpExecutionContext):
        rows = {"starlake/rows_read": 2, "starlake/rows_rejected": 1}
        for table in ("a", "b"):
            context.log_event(AssetMaterialization(["shop", table], metadata=rows))
            ticks()
            seen.append(notes.tables())

    @job
    def long_one():
        rejects()

    ticks = Ticks(on_rows_rejected(notes), Definitions(jobs=[long_one]), instance)
    assert long_one.execute_in_process(instance=instance).success
    ticks()
    assert seen == [["shop.a"], ["shop.b"]]
    assert notes == []


def test_an_action_that_fails_fails_the_tick_and_gets_the_event_again(shop, instance, capsys):
    notes, mood = Notes(), {"bad": True}

    @on_rows_rejected
    def tell(event: TableEvent) -> None:
        if mood["bad"] and event.table == "shop.orders":
            raise ConnectionError("nobody listens")
        notes(event)

    assert tell.name == "tell_on_rows_rejected"
    ticks = Ticks(tell, defs_of(shop), instance)
    for table in ("items", "orders"):
        deliver(shop, table)
        ticks.run(f"shop/{table}")
    ticks()  # it has told of one, and remembers that
    assert "ConnectionError: nobody listens" in capsys.readouterr().err
    assert notes.tables() == ["shop.items"]
    for _ in range(2):
        with pytest.raises(StarlakeError, match="nobody listens"):
            ticks()
    mood["bad"] = False
    ticks()
    assert notes.tables() == ["shop.orders"]


def test_a_job_gets_the_event_in_its_tags(shop, instance):
    @op
    def page(context: OpExecutionContext):
        context.log.info(context.run.tags["starlake/table"])

    @job
    def pager():
        page()

    sensor = on_table_failed(pager)
    assert sensor.name == "pager_on_table_failed"
    ticks = Ticks(sensor, defs_of(shop), instance)
    assert not ticks.run("kpi/broken").success
    (request,) = ticks().run_requests
    assert request.tags["starlake/table"] == "kpi.broken"
    assert "broken" in request.tags["starlake/message"]
    assert pager.execute_in_process(instance=instance, tags=request.tags).success
    assert not ticks().run_requests


def test_a_job_that_fails_itself_is_not_started_by_its_own_failure(shop, instance):
    @job
    def again():
        StarlakeDagsterEmbeddedJob(options={"sl_env_var": {"SL_ROOT": str(shop.root)}}).sl_transform(
            None, "kpi.broken"
        )()

    ticks = Ticks(on_table_failed(again), defs_of(shop), instance)
    assert not ticks.run("kpi/broken").success
    (request,) = ticks().run_requests
    assert not again.execute_in_process(instance=instance, tags=request.tags, raise_on_error=False).success
    assert not ticks().run_requests


class Channel(ConfigurableResource):
    """Stands for dagster-slack's resource."""

    name: str

    def post(self, text: str) -> None:
        POSTED.append((self.name, text))


POSTED: list[tuple[str, str]] = []


def test_an_action_takes_resources(shop, instance):
    @on_rows_rejected(threshold=1, name="tell_the_bakery")
    def tell(event: TableEvent, channel: Channel) -> None:
        channel.post(event.message)

    POSTED.clear()
    ticks = Ticks(tell, defs_of(shop), instance, channel=Channel(name="#bakery"))
    deliver(shop, "items")
    ticks.run("shop/items")
    ticks()
    assert POSTED == [("#bakery", "shop.items: 1 of 2 rows are rejected")]


def test_the_cursor_does_not_grow_with_runs_that_are_over(instance):
    @op
    def nothing():
        pass

    @job
    def short():
        nothing()

    ticks = Ticks(on_table_failed(Notes()), Definitions(jobs=[short]), instance)
    for _ in range(3):
        short.execute_in_process(instance=instance)
    ticks()
    assert len(json.loads(ticks.cursor)["positions"]) == 3
    saved = json.loads(ticks.cursor)
    ticks.cursor = json.dumps({**saved, "changed": saved["changed"] + 600})
    ticks()
    assert json.loads(ticks.cursor)["positions"] == {}


def test_what_is_not_an_action_is_refused():
    with pytest.raises(StarlakeError, match="on_table_failed: 'slack' is not an action"):
        on_table_failed("slack")
