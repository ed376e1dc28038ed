"""The logical date of a run: where it comes from, and that it is one for all ops."""

from __future__ import annotations

import re
import time
import warnings
from datetime import datetime, timedelta, timezone

import pytest
from dagster import (
    ConfigMapping,
    DagsterInstance,
    DailyPartitionsDefinition,
    Definitions,
    DynamicPartitionsDefinition,
    GraphDefinition,
    HourlyPartitionsDefinition,
    JobDefinition,
    MultiPartitionKey,
    MultiPartitionsDefinition,
    RunRequest,
    ScheduleDefinition,
    StaticPartitionsDefinition,
    WeeklyPartitionsDefinition,
    build_schedule_context,
)

from ai.starlake.common import DataInterval
from ai.starlake.orchestration.dates.run_tags import date_tags

TAG = ".dagster/scheduled_execution_time"
FORMAT = "%Y-%m-%dT%H:%M:%S%z"


def dates(fake):
    return {call.value_of("--scheduledDate") for call in fake.calls()}


@pytest.fixture
def loads(factory):
    """Return a job of two loads and a transform, one of them within a graph of its own."""

    def make(*, config=None, partitions_def=None, inner_config=None, **options):
        job = factory(**options)
        inner = GraphDefinition(name="inner", node_defs=[job.sl_load("b", "starbake", "Orders")], config=inner_config)
        nodes = [job.sl_load("a", "starbake", "Customers"), inner, job.sl_transform("t", "kpi.orders")]
        return JobDefinition(
            name="loads",
            graph_def=GraphDefinition(name="g", node_defs=nodes),
            config=config,
            partitions_def=partitions_def,
        )

    return make


def of_op(name, **config):
    return {"ops": {name: {"config": config}}}


class TestPartitions:
    @pytest.mark.parametrize(
        ("partitions", "key", "start", "end"),
        [
            (
                DailyPartitionsDefinition("2026-01-01"),
                "2026-03-01",
                "2026-03-01T00:00:00+0000",
                "2026-03-02T00:00:00+0000",
            ),
            (
                HourlyPartitionsDefinition("2026-01-01-00:00", timezone="Europe/Paris"),
                "2026-03-01-06:00",
                "2026-03-01T05:00:00+0000",
                "2026-03-01T06:00:00+0000",
            ),
            (
                WeeklyPartitionsDefinition("2026-03-01"),
                "2026-03-08",
                "2026-03-08T00:00:00+0000",
                "2026-03-15T00:00:00+0000",
            ),
            (
                MultiPartitionsDefinition(
                    {"day": DailyPartitionsDefinition("2026-01-01"), "region": StaticPartitionsDefinition(["eu"])}
                ),
                MultiPartitionKey({"day": "2026-03-01", "region": "eu"}),
                "2026-03-01T00:00:00+0000",
                "2026-03-02T00:00:00+0000",
            ),
        ],
        ids=["daily", "hourly in a zone", "weekly", "a day and a region"],
    )
    def test_a_partition_of_time_is_the_data_interval(self, loads, run, fake, *, partitions, key, start, end):
        assert run(loads(partitions_def=partitions), partition_key=key).success
        assert dates(fake) == {start}
        (transform,) = fake.calls("transform")
        assert transform.options == {"sl_data_interval_start": start, "sl_data_interval_end": end}
        assert not [call for call in fake.calls("load") if call.options]

    def test_a_static_partition_that_is_a_date_is_the_logical_date(self, loads, run, fake):
        job = loads(partitions_def=StaticPartitionsDefinition(["2026-03-01"]), timezone="Europe/Paris")
        assert run(job, partition_key="2026-03-01").success
        assert dates(fake) == {"2026-02-28T23:00:00+0000"}
        assert fake.calls("transform")[0].options == {}

    def test_a_dynamic_partition_that_is_a_date_is_the_logical_date(self, loads, run, fake):
        with DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("days", ["2026-03-01"])
            job = loads(partitions_def=DynamicPartitionsDefinition(name="days"))
            assert run(job, partition_key="2026-03-01", instance=instance).success
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}

    def test_a_partition_that_is_no_date_leaves_it_to_the_configuration(self, loads, run, fake):
        job = loads(partitions_def=StaticPartitionsDefinition(["eu"]))
        assert run(job, partition_key="eu", run_config=of_op("a", logical_datetime="2026-03-01")).success
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}

    def test_a_partition_that_is_no_date_leaves_it_to_the_launch(self, loads, run, fake):
        assert run(loads(partitions_def=StaticPartitionsDefinition(["eu"])), partition_key="eu").success
        assert len(dates(fake)) == 1

    def test_the_partition_counts_more_than_the_configuration(self, loads, run, fake):
        job = loads(partitions_def=DailyPartitionsDefinition("2026-01-01"))
        run(job, partition_key="2026-03-01", run_config=of_op("a", logical_datetime="2020-01-01"))
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}


class TestConfiguration:
    @pytest.mark.parametrize(
        "config",
        [of_op("a", logical_datetime="2026-03-01"), of_op("t", logical_datetime="2026-03-01T01:00:00+01:00")],
    )
    def test_one_op_sets_it_for_all(self, loads, run, fake, config):
        assert run(loads(), run_config=config).success
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}
        assert len(fake.calls()) == 3

    def test_an_op_within_a_graph_sets_it_for_all(self, loads, run, fake):
        config = {"ops": {"inner": of_op("b", logical_datetime="2026-03-01")}}
        assert run(loads(), run_config=config).success
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}

    def test_a_job_may_be_defined_with_it(self, loads, run, fake):
        assert run(loads(config=of_op("a", logical_datetime="2026-03-01"))).success
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}

    def test_the_configuration_of_a_graph_may_set_it(self, loads, run, fake):
        mapping = ConfigMapping(
            config_schema={"day": str}, config_fn=lambda given: {"b": {"config": {"logical_datetime": given["day"]}}}
        )
        config = {"ops": {"inner": {"config": {"day": "2026-03-01"}}}}
        assert run(loads(inner_config=mapping), run_config=config).success
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}

    def test_the_zone_of_the_job_is_that_of_dates_that_name_none(self, loads, run, fake):
        run(loads(timezone="America/New_York"), run_config=of_op("a", logical_datetime="2026-03-01T00:00:00"))
        assert dates(fake) == {"2026-03-01T05:00:00+0000"}

    def test_the_data_interval_may_be_set(self, loads, run, fake):
        config = of_op("a", logical_datetime="2026-03-02", previous_logical_datetime="2026-03-01")
        assert run(loads(), run_config=config).success
        (transform,) = fake.calls("transform")
        assert transform.options == {
            "sl_data_interval_start": "2026-03-01T00:00:00+0000",
            "sl_data_interval_end": "2026-03-02T00:00:00+0000",
        }

    def test_two_ops_may_say_the_same(self, loads, run, fake):
        same = {"logical_datetime": "2026-03-01"}, {"logical_datetime": "2026-03-01T01:00:00+01:00"}
        assert run(loads(), run_config={"ops": {"a": {"config": same[0]}, "t": {"config": same[1]}}}).success
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}

    def test_what_is_no_date_is_not_tried_again(self, factory, run, fake):
        op = factory(retries=2, retry_delay=0).sl_load(None, "starbake", "Orders")
        result = run(op, run_config=of_op(op.name, logical_datetime="someday"))
        assert not result.success
        assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
        assert fake.calls() == []

    def test_two_ops_that_differ_are_an_error_that_names_both(self, loads, run, fake, failure_of):
        config = {
            "ops": {
                "a": {"config": {"logical_datetime": "2026-03-01"}},
                "inner": of_op("b", logical_datetime="2026-03-02"),
            }
        }
        result = run(loads(), run_config=config)
        assert not result.success
        assert fake.calls() == []
        text = failure_of(result)
        assert "are configured with different values of logical_datetime" in text
        assert {"a", "inner.b"} == set(re.search(r"ops (\S+) and (\S+) are configured", text).groups())

    def test_what_is_no_date_is_an_error(self, loads, run, fake, failure_of):
        result = run(loads(), run_config=of_op("a", logical_datetime="yesterday"))
        assert not result.success
        assert fake.calls() == []
        assert "'yesterday' is not a date" in failure_of(result)


class TestTags:
    interval = DataInterval(datetime(2026, 3, 1, tzinfo=timezone.utc), datetime(2026, 3, 2, tzinfo=timezone.utc))

    def test_a_run_may_have_its_dates_as_tags(self, loads, run, fake):
        assert run(loads(), tags=date_tags(self.interval.start, self.interval)).success
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}
        assert fake.calls("transform")[0].options == {
            "sl_data_interval_start": "2026-03-01T00:00:00+0000",
            "sl_data_interval_end": "2026-03-02T00:00:00+0000",
        }

    def test_they_count_more_than_the_schedule(self, loads, run, fake):
        assert run(loads(), tags={TAG: "2020-01-01T00:00:00+00:00", **date_tags(self.interval.end)}).success
        assert dates(fake) == {"2026-03-02T00:00:00+0000"}
        assert fake.calls("transform")[0].options == {}

    def test_a_configured_date_leaves_nothing_of_them(self, loads, run, fake):
        config = of_op("a", logical_datetime="2026-02-01")
        assert run(loads(), tags=date_tags(self.interval.start, self.interval), run_config=config).success
        assert dates(fake) == {"2026-02-01T00:00:00+0000"}
        assert fake.calls("transform")[0].options == {}


class TestSchedules:
    def test_the_time_of_the_tick_counts(self, loads, run, fake):
        """The tag is the one that Dagster's scheduler sets; test_daemon_tick shows that it does."""
        assert run(loads(), tags={TAG: "2026-03-01T06:00:00+00:00"}).success
        assert dates(fake) == {"2026-03-01T06:00:00+0000"}

    def test_the_configuration_counts_more(self, loads, run, fake):
        run(loads(), tags={TAG: "2026-03-01T06:00:00+00:00"}, run_config=of_op("a", logical_datetime="2026-02-01"))
        assert dates(fake) == {"2026-02-01T00:00:00+0000"}

    def test_a_schedule_of_partitions_sets_the_partition(self, loads, run, fake):
        job = loads(partitions_def=DailyPartitionsDefinition("2026-01-01"))
        schedule = ScheduleDefinition(
            job=job,
            cron_schedule="0 6 * * *",
            execution_fn=lambda context: RunRequest(
                partition_key=f"{context.scheduled_execution_time - timedelta(days=1):%Y-%m-%d}"
            ),
        )
        definitions = Definitions(jobs=[job], schedules=[schedule])
        tick = schedule.evaluate_tick(
            build_schedule_context(
                scheduled_execution_time=datetime(2026, 3, 2, 6, tzinfo=timezone.utc),
                repository_def=definitions.get_repository_def(),
            )
        )
        (request,) = tick.run_requests
        assert run(
            job, tags={**request.tags, TAG: "2026-03-02T06:00:00+00:00"}, partition_key=request.partition_key
        ).success
        assert dates(fake) == {"2026-03-01T00:00:00+0000"}


class TestLaunch:
    def test_it_is_the_launch_time_in_every_op(self, loads, run, fake, shared_instance):
        fake.behave("load", sleep=0.6)
        result = run(loads())
        launched = shared_instance.get_run_record_by_id(result.run_id).create_timestamp
        assert len(fake.calls()) == 3
        assert dates(fake) == {launched.astimezone(timezone.utc).strftime(FORMAT)}

    def test_a_run_that_continues_another_is_for_its_date(self, loads, run, fake):
        first = run(loads())
        time.sleep(1.1)
        tags = {"dagster/parent_run_id": first.run_id, "dagster/root_run_id": first.run_id}
        assert run(loads(), tags=tags).success
        assert len(fake.calls()) == 6
        assert len(dates(fake)) == 1

    def test_a_run_whose_root_was_deleted_is_for_its_own_date(self, loads, run, fake):
        tags = {"dagster/parent_run_id": "gone", "dagster/root_run_id": "gone"}
        assert run(loads(), tags=tags).success
        assert len(dates(fake)) == 1


class TestVersions:
    @pytest.mark.parametrize(("version", "passed"), [("1.3.0", False), ("1.5.0", False), ("1.5.1", True), (None, True)])
    def test_the_date_is_passed_to_versions_that_take_it(self, factory, run, fake, version, passed):
        job = factory(starlake_version=version)
        assert run(job.sl_load(None, "starbake", "Customers"), job.sl_transform(None, "kpi.orders")).success
        assert {"--scheduledDate" in call.argv for call in fake.calls()} == {passed}

    def test_commands_without_a_date_get_none(self, sl_job, run, fake):
        assert run(sl_job.sl_import(None, "starbake"), sl_job.sl_job("v", ["validate"])).success
        assert not [call for call in fake.calls() if "--scheduledDate" in call.argv]


class TestRunOptions:
    def test_options_of_the_run_reach_the_command(self, loads, run, fake):
        config = {
            "ops": {
                "t": {
                    "config": {"options": {"limit": 5, "kpi.orders": {"region": "eu"}, "other.task": {"region": "us"}}}
                },
                "a": {"config": {"options": {"starbake.Customers": {"x": "1"}, "a": {"y": "2"}}}},
            }
        }
        assert run(loads(), run_config=config).success
        (transform,) = fake.calls("transform")
        assert transform.options == {"limit": "5", "region": "eu"}
        loaded = {call.value_of("--tables"): call.options for call in fake.calls("load")}
        assert loaded == {"Customers": {"x": "1", "y": "2"}, "Orders": {}}

    @pytest.mark.parametrize("name", ["kpi.order", "starbake.customers", "starbake_Order"])
    def test_a_section_that_is_nearly_named_as_something_is_refused(self, loads, run, fake, failure_of, name):
        result = run(loads(), run_config=of_op("t", options={name: {"region": "us"}}))
        assert f"a section {name!r}" in failure_of(result)
        assert "did you mean" in failure_of(result)
        assert not fake.calls("transform")

    def test_values_of_the_run_are_written_as_sql_and_yaml_write_them(self, sl_job, run, fake):
        given = {"a": None, "b": True, "c": False, "d": 0.5, "kpi.orders": {"e": None}}
        assert run(sl_job.sl_transform("t", "kpi.orders"), run_config=of_op("t", options=given)).success
        assert fake.calls()[0].options == {"a": "null", "b": "true", "c": "false", "d": "0.5", "e": "null"}

    def test_a_list_is_refused(self, sl_job, run, fake, failure_of):
        result = run(sl_job.sl_transform("t", "kpi.orders"), run_config=of_op("t", options={"a": [1]}))
        assert "option 'a' is [1], a list" in failure_of(result)
        assert not fake.calls()

    def test_options_of_the_run_count_more_than_those_of_the_op(self, sl_job, run, fake):
        op = sl_job.sl_transform("t", "kpi.orders", "region=eu,limit=1")
        run(op, run_config=of_op("t", options={"region": "us"}))
        assert fake.calls()[0].options == {"region": "us", "limit": "1"}

    @pytest.mark.parametrize("value", ["a,b", "it's", "$(id)", "`id`"])
    def test_options_are_passed_unchanged_or_refused(self, sl_job, run, fake, failure_of, value):
        result = run(sl_job.sl_transform("t", "kpi.orders"), run_config=of_op("t", options={"x": value}))
        if result.success:
            assert fake.calls()[0].options == {"x": value}
        else:
            assert fake.calls() == []
            assert "cannot be passed to Starlake" in failure_of(result)


def test_definitions_load_without_warnings(loads):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Definitions(jobs=[loads()]).get_repository_def().load_all_definitions()
