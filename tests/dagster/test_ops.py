"""Ops: what they are made of, what they run, and what they record."""

from __future__ import annotations

import copy

import pytest
from dagster import (
    AssetKey,
    Backoff,
    DependencyDefinition,
    GraphDefinition,
    In,
    Jitter,
    JobDefinition,
    Nothing,
    Out,
    StaticPartitionsDefinition,
)

from ai.starlake.common import NameCollisionError, StarlakeError
from ai.starlake.dataset import StarlakeDataset


def materializations(result):
    return [e.step_materialization_data.materialization for e in result.get_asset_materialization_events()]


class TestArguments:
    def test_defaults(self, sl_job):
        op = sl_job.sl_load(None, "starbake", "Customers")
        assert op.name == "starbake_Customers_load"
        assert list(op.output_dict) == ["result"]
        assert op.output_dict["result"].dagster_type.display_name == "String"
        assert not op.input_dict
        assert op.retry_policy is None
        assert op.pool is None
        assert op.tags["dagster/compute_kind"] == "starlake"

    def test_the_pool_of_the_job_is_that_of_ops_which_name_none(self, factory):
        sl_job = factory(pool="warehouse")
        assert sl_job.sl_load(None, "starbake", "Customers").pool == "warehouse"
        assert sl_job.sl_load(None, "starbake", "Orders", pool="own").pool == "own"
        assert sl_job.dummy_op("start").pool is None

    def test_all_of_them_are_honoured(self, factory):
        op = factory(retries=1, retry_delay=5).sl_load(
            "a-task",
            "starbake",
            "Customers",
            ins={"start": In(Nothing), "x": In(str)},
            outs={"done": Out(Nothing), "name": Out(str, is_required=False)},
            retries=3,
            retry_delay=7,
            description="Loads customers.",
            tags={"team": "bakery"},
            pool="duckdb",
        )
        assert op.name == "a_task"
        assert {name: d.dagster_type.display_name for name, d in op.input_dict.items()} == {
            "start": "Nothing",
            "x": "String",
        }
        assert [(name, d.is_required) for name, d in op.output_dict.items()] == [("done", True), ("name", False)]
        assert op.description == "Loads customers."
        assert op.tags["team"] == "bakery"
        assert op.pool == "duckdb"
        policy = op.retry_policy
        assert (policy.max_retries, policy.delay, policy.backoff, policy.jitter) == (
            3,
            7,
            Backoff.EXPONENTIAL,
            Jitter.PLUS_MINUS,
        )

    def test_retries_are_an_option_of_the_job_and_none_is_a_number_of_retries(self, factory):
        job = factory(retries=2, retry_delay=9)
        assert (
            job.sl_transform("a", "a.b").retry_policy.max_retries,
            job.sl_transform("a", "a.b").retry_policy.delay,
        ) == (2, 9)
        assert job.sl_transform("b", "a.b", retries=0).retry_policy is None
        assert job.sl_transform("c", "a.b", retry_delay=0).retry_policy.delay == 0

    @pytest.mark.parametrize("out", ["done", {"done": Out(str)}])
    def test_the_only_output_may_be_named(self, sl_job, out):
        assert list(sl_job.sl_import("x", "starbake", out=out).output_dict) == ["done"]

    def test_the_only_output_may_be_a_definition(self, sl_job, run):
        op = sl_job.dummy_op("x", out=Out(Nothing))
        assert op.output_dict["result"].dagster_type.is_nothing
        assert run(op).success

    def test_out_and_outs_together_are_an_error(self, sl_job):
        with pytest.raises(StarlakeError, match="both out and outs"):
            sl_job.dummy_op("x", out="a", outs={"a": Out(str)})

    @pytest.mark.parametrize("make", ["sl_load", "sl_transform", "sl_import", "dummy_op", "sl_pre_load"])
    def test_an_unknown_argument_is_an_error_that_names_it(self, factory, make):
        arguments = {
            "sl_load": (None, "d", "t"),
            "sl_transform": (None, "d.t"),
            "sl_import": (None, "d"),
            "dummy_op": ("x",),
            "sl_pre_load": ("d",),
        }[make]
        with pytest.raises(StarlakeError, match="retrys is not a known argument of an op") as caught:
            getattr(factory("pending"), make)(*arguments, retrys=3)
        assert "retries" in str(caught.value)

    def test_what_the_caller_passes_is_not_changed(self, factory):
        job = factory("imported")
        ins, outs, tags = {"start": In(Nothing)}, {"a": Out(str)}, {"x": "y"}
        arguments, tables, options = ["load", "--domains", "d", "--options", "a=1"], ["b", "a"], {"k": "v"}
        everything = (ins, outs, tags, arguments, tables, options)
        before = [copy.copy(each) for each in everything]
        job.sl_job("raw", arguments, ins=ins, outs=outs, tags=tags, skip_or_start=True)
        job.sl_transform("t", "a.b", options, ins=ins, outs=outs, tags=tags)
        job.sl_pre_load("d", tables, ins={"domain": In(str)}, tags=tags)
        job.dummy_op("dummy", ins=ins, outs=outs, tags=tags, asset=[AssetKey("a")])
        assert list(everything) == before

    def test_what_the_caller_changes_later_does_not_change_the_op(self, sl_job):
        ins, tags = {"start": In(Nothing)}, {"x": "y"}
        op = sl_job.dummy_op("dummy", ins=ins, tags=tags)
        ins["more"], tags["more"] = In(Nothing), "z"
        assert list(op.input_dict) == ["start"]
        assert "more" not in op.tags
        assert sl_job.dummy_op("dummy", ins={"start": In(Nothing)}, tags={"x": "y"}) is op


class TestNames:
    def test_the_same_op_asked_for_twice_is_one_op(self, sl_job):
        assert sl_job.sl_load(None, "d", "t", ins={"a": In(str)}) is sl_job.sl_load(None, "d", "t", ins={"a": In(str)})
        assert sl_job.dummy_op("start") is sl_job.dummy_op("start")

    def test_two_tables_that_become_one_name_are_an_error_that_names_both(self, sl_job):
        sl_job.sl_load(None, "a", "b_c")
        with pytest.raises(NameCollisionError) as caught:
            sl_job.sl_load(None, "a_b", "c")
        assert "a.b_c" in str(caught.value)
        assert "a_b.c" in str(caught.value)

    @pytest.mark.parametrize("other", [{"ins": {"b": In(str)}}, {"retries": 5}, {"out": "x"}, {"description": "other"}])
    def test_another_op_of_the_same_name_is_an_error_that_says_what_differs(self, sl_job, other):
        sl_job.sl_load("x", "d", "t", ins={"a": In(str)})
        with pytest.raises(NameCollisionError, match=f"other .*{next(iter(other)).rstrip('s')}"):
            sl_job.sl_load("x", "d", "t", **{"ins": {"a": In(str)}, **other})

    def test_task_ids_that_become_one_name_are_an_error(self, sl_job):
        sl_job.dummy_op("a.b")
        with pytest.raises(NameCollisionError, match=r"'a\.b'.*'a-b'"):
            sl_job.dummy_op("a-b")

    def test_a_command_and_a_dummy_of_one_name_are_an_error(self, sl_job):
        sl_job.dummy_op("a")
        with pytest.raises(NameCollisionError):
            sl_job.sl_transform("a", "d.t")

    def test_two_tables_that_become_one_asset_are_an_error(self, sl_job):
        sl_job.sl_load("one", "a", "b_c")
        with pytest.raises(NameCollisionError, match="the asset of"):
            sl_job.sl_load("two", "a_b", "c")
        assert sl_job.sl_load("three", "a_b", "c", asset=AssetKey(["a_b", "c"])).name == "three"

    def test_two_factories_do_not_know_each_other(self, factory):
        assert factory().dummy_op("a", ins={"x": In(str)}) is not factory().dummy_op("a")

    @pytest.mark.parametrize("name", ["my-domain", "données", "1st", "sales.v2", "a b", "type", "input"])
    def test_ops_of_any_domain_can_be_made_and_run(self, factory, run, name):
        job = factory("pending")
        assert run(job.sl_load(None, name, name), job.sl_transform(name, f"{name}.{name}", asset=AssetKey("x"))).success
        assert job.sl_pre_load(name).name


class TestRuns:
    def test_the_command_is_run_as_it_was_asked_for(self, factory, run, fake, project):
        job = factory(env={"SL_ENV": "DEV", "OTHER": 5})
        result = run(job.sl_transform(None, "kpi.orders", "a=b c,d=e=f"))
        (call,) = fake.calls()
        assert result.success
        assert call.argv[:3] == ("transform", "--name", "kpi.orders")
        assert call.options == {"a": "b c", "d": "e=f"}
        assert call.cwd == str(project.root)
        assert call.environment["SL_ENV"] == "DEV"
        assert call.environment["SL_JOB_ID"] == f"{result.run_id}.kpi_orders"
        assert call.environment["SL_API"]

    def test_an_op_runs_the_same_command_however_often(self, sl_job, run, fake):
        op = sl_job.sl_load(None, "starbake", "Customers")
        config = {"ops": {op.name: {"config": {"logical_datetime": "2026-01-01"}}}}
        run(op, run_config=config)
        run(op, run_config=config)
        first, second = fake.calls()
        assert first.argv == second.argv

    def test_a_success_is_one_materialization_with_what_is_known(self, sl_job, run, fake):
        fake.behave("load", counts=(7, 5, 2))
        result = run(sl_job.sl_load(None, "starbake", "Customers"))
        (event,) = materializations(result)
        assert event.asset_key == AssetKey("starbake_Customers")
        assert event.partition is None
        metadata = {name: entry.value for name, entry in event.metadata.items()}
        assert metadata["starlake/rows_read"] == 7
        assert metadata["starlake/rows_accepted"] == 5
        assert metadata["starlake/rows_rejected"] == 2
        assert 0 < metadata["starlake/duration"] < 60
        assert metadata["starlake/command"].startswith("starlake load --domains starbake --tables Customers")
        assert metadata["starlake/logical_date"]

    def test_warnings_of_a_load_are_in_its_materialization(self, sl_job, run, fake):
        counters = '{"inputCount":7,"acceptedCount":7,"rejectedCount":0,"warningCount":2}'
        fake.behave("load", stdout=[f"IngestionCounters:{counters}"], counts=(0, 0, 0))
        (event,) = materializations(run(sl_job.sl_load(None, "starbake", "Customers")))
        assert event.metadata["starlake/warnings"].value == 2
        assert "2 warning(s)" in event.description

    def test_counts_that_nobody_knows_are_left_out(self, sl_job, run):
        (event,) = materializations(run(sl_job.sl_transform(None, "kpi.orders")))
        assert event.asset_key == AssetKey("kpi_orders")
        assert not [name for name in event.metadata if "rows" in name]

    def test_the_partition_of_the_run_is_that_of_the_materialization(self, sl_job, run, fake):
        fake.behave("load", counts=(3, 3, 0))
        op = sl_job.sl_load(None, "starbake", "Customers")
        job = JobDefinition(
            name="p",
            graph_def=GraphDefinition(name="g", node_defs=[op]),
            partitions_def=StaticPartitionsDefinition(["eu", "us"]),
        )
        (event,) = materializations(run(job, partition_key="eu"))
        assert event.partition == "eu"

    def test_a_failure_materializes_nothing(self, sl_job, run, fake, failure_of):
        fake.behave("load", exit_codes=[3], stdout=["reading"], stderr=["the disk is full"])
        result = run(sl_job.sl_load(None, "starbake", "Customers"))
        assert not result.success
        assert materializations(result) == []
        text = failure_of(result)
        assert "failed with exit code 3" in text
        assert "the disk is full" in text
        (failure,) = [e.step_failure_data for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
        assert failure.user_failure_data.metadata["starlake/exit_code"].value == 3

    def test_imports_and_dummies_materialize_nothing(self, sl_job, run):
        assert materializations(run(sl_job.sl_import(None, "starbake"), sl_job.dummy_op("x"))) == []

    @pytest.mark.parametrize(
        ("asset", "keys"),
        [
            ("customers", [["customers"]]),
            (["lake", "customers"], [["lake", "customers"]]),
            (AssetKey(["lake", "customers"]), [["lake", "customers"]]),
            ([AssetKey("a"), AssetKey("b")], [["a"], ["b"]]),
            ([], []),
        ],
    )
    def test_other_assets_may_be_materialized_instead(self, sl_job, run, fake, asset, keys):
        fake.behave("load", counts=(3, 3, 0))
        result = run(sl_job.sl_load(None, "starbake", "Customers", asset=asset))
        assert result.success
        assert [list(event.asset_key.path) for event in materializations(result)] == keys

    @pytest.mark.parametrize("dataset", ["lake.customers", StarlakeDataset("lake.customers")])
    def test_a_load_may_produce_another_dataset(self, sl_job, run, fake, dataset):
        fake.behave("load", counts=(3, 3, 0))
        (event,) = materializations(run(sl_job.sl_load(None, "starbake", "Customers", dataset=dataset)))
        assert event.asset_key == AssetKey("lake_customers")

    def test_a_dummy_materializes_what_it_is_told_to(self, sl_job, run):
        (event,) = materializations(run(sl_job.dummy_op("end", asset="pipeline")))
        assert event.asset_key == AssetKey("pipeline")

    def test_a_dummy_yields_its_name_or_nothing(self, sl_job, run):
        assert run(sl_job.dummy_op("start")).output_for_node("start") == "start"
        assert run(sl_job.dummy_op("two", outs={"a": Out(str), "b": Out(Nothing)})).output_for_node("two", "a") == "two"

    @pytest.mark.parametrize(("rows", "after"), [(0, "skipped"), (3, "run")])
    def test_what_comes_after_a_load_without_rows_can_be_skipped(self, sl_job, run, fake, rows, after):
        fake.behave("load", counts=(rows, rows, 0))
        load = sl_job.sl_load("a_load", "starbake", "Customers", skip_or_start=True)
        then = sl_job.dummy_op("then", ins={"start": In(str)})
        graph = GraphDefinition(
            name="g", node_defs=[load, then], dependencies={"then": {"start": DependencyDefinition("a_load")}}
        )
        result = run(JobDefinition(name="j", graph_def=graph))
        kinds = {event.step_key: event.event_type_value for event in result.all_events if event.step_key}
        assert result.success
        assert kinds["then"] == ("STEP_SKIPPED" if after == "skipped" else "STEP_SUCCESS")

    def test_a_raw_command_runs(self, sl_job, run, fake):
        assert run(sl_job.sl_job("check", ["validate", "--options", "a=1"])).success
        assert fake.calls()[0].argv == ("validate", "--options", "a=1")


class TestRejects:
    @pytest.mark.parametrize(
        ("counts", "limit", "success"),
        [
            ((4, 0, 4), None, False),
            ((4, 1, 3), None, True),
            ((4, 0, 4), "5", True),
            ((4, 0, 4), 4, True),
            ((4, 0, 4), "3", False),
            ((4, 3, 1), "0", False),
            ((4, 4, 0), "0%", True),
            ((4, 3, 1), "25%", True),
            ((4, 3, 1), "24.9 %", False),
            ((4, 0, 4), "100%", True),
        ],
    )
    def test_a_step_fails_when_more_rows_are_rejected_than_may_be(
        self, factory, run, fake, failure_of, counts, limit, success
    ):
        fake.behave("load", counts=counts)
        options = {} if limit is None else {"max_rejected": limit}
        result = run(factory(retries=3, retry_delay=0, **options).sl_load(None, "starbake", "Customers"))
        assert result.success is success
        assert len(materializations(result)) == int(success)
        if not success:
            assert len(fake.calls("load")) == 1
            assert f"starbake.Customers: {counts[2]} of 4 rows are rejected" in failure_of(result)
            assert "max_rejected" in failure_of(result)

    def test_one_file_of_which_all_rows_are_rejected_fails_the_step(self, sl_job, run, fake, failure_of):
        blocks = [
            f"Input records: {rows}\nAccepted: {good}\nRejected: {rows - good}" for rows, good in ((3, 3), (2, 0))
        ]
        fake.behave("load", counts=(5, 3, 2), stdout="\n".join(blocks).splitlines())
        result = run(sl_job.sl_load(None, "starbake", "Customers"))
        assert not result.success
        assert "all rows of a file are rejected" in failure_of(result)

    @pytest.mark.parametrize("limit", ["-1", "1.5", "101%", "many", "", True])
    def test_a_limit_that_is_none_is_refused(self, factory, limit):
        with pytest.raises(StarlakeError, match="max_rejected"):
            factory(max_rejected=limit)

    def test_a_load_that_read_no_file_materializes_nothing(self, sl_job, run):
        result = run(sl_job.sl_load(None, "starbake", "Customers"))
        assert result.success
        assert materializations(result) == []

    def test_a_file_without_rows_is_a_materialization(self, sl_job, run, fake, project):
        project.put("stage")
        fake.behave("load", counts=(0, 0, 0))
        assert len(materializations(run(sl_job.sl_load(None, "starbake", "Customers")))) == 1


class TestRetries:
    def test_a_failed_command_is_tried_again_and_recorded_once(self, factory, run, fake, project):
        project.put("stage")
        fake.behave("load", exit_codes=[1, 0])
        result = run(factory(retries=1, retry_delay=0).sl_load(None, "starbake", "Customers"))
        assert result.success
        assert len(fake.calls("load")) == 2
        (event,) = materializations(result)
        assert event.metadata["starlake/rows_read"].value == 2
        assert project.files("archive") == ["customers_1.csv"]

    def test_a_missing_executable_is_not_tried_again(self, factory, run, failure_of, tmp_path):
        job = factory(retries=5, retry_delay=0, SL_STARLAKE_PATH=str(tmp_path / "nowhere"))
        result = run(job.sl_load(None, "starbake", "Customers"))
        assert not result.success
        assert [e.event_type_value for e in result.all_events].count("STEP_RESTARTED") == 0
        assert "nowhere" in failure_of(result)
        assert "SL_STARLAKE_PATH" in failure_of(result)

    def test_a_load_whose_files_cannot_be_brought_back_is_not_tried_again(
        self, factory, run, fake, project, failure_of
    ):
        fake.behave("load", exit_codes=[1])
        (project.root / "metadata" / "load" / "starbake" / "Customers.sl.yml").unlink()
        project.put("stage", "Customers.csv")
        result = run(factory(retries=5, retry_delay=0).sl_load(None, "starbake", "Customers"))
        assert not result.success
        assert len(fake.calls("load")) == 1
        assert "cannot be repeated safely" in failure_of(result)


class TestDryRun:
    @pytest.mark.parametrize("value", ["maybe", "1", "yes"])
    def test_a_tag_that_is_neither_true_nor_false_runs_nothing(self, sl_job, run, fake, failure_of, value):
        result = run(sl_job.sl_load(None, "starbake", "Customers"), tags={"starlake/dry_run": value})
        assert not result.success
        assert fake.calls() == []
        assert f"the tag starlake/dry_run of the run is '{value}'" in failure_of(result)
        assert "set it to true, to log the commands, or to false, to run them" in failure_of(result)

    @pytest.mark.parametrize("how", ["config", "tag"])
    def test_a_dry_run_runs_and_records_nothing(self, sl_job, run, fake, logged, how):
        op = sl_job.sl_load(None, "starbake", "Customers")
        arguments = (
            {"run_config": {"ops": {op.name: {"config": {"dry_run": True}}}}}
            if how == "config"
            else {"tags": {"starlake/dry_run": "true"}}
        )
        result = run(op, sl_job.dummy_op("x", asset="y") if how == "tag" else sl_job.dummy_op("x"), **arguments)
        assert result.success
        assert fake.calls() == []
        assert materializations(result) == []
        assert any("dry run" in line and "starlake load" in line for line in logged(result))
