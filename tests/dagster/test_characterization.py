"""Uses of Dagster beyond its documentation, pinned on both ends of the supported range."""

from __future__ import annotations

import inspect
import itertools
import json
import multiprocessing
import os
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import dagster
import pytest
from dagster import (
    ConfigMapping,
    DagsterInstance,
    DagsterInvalidDefinitionError,
    DagsterInvariantViolationError,
    DagsterRun,
    DependencyDefinition,
    Field,
    GraphDefinition,
    In,
    InputMapping,
    JobDefinition,
    MultiDependencyDefinition,
    NodeInvocation,
    Nothing,
    OpDefinition,
    Out,
    Output,
    ReexecutionOptions,
    StaticPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    execute_job,
    graph,
    in_process_executor,
    multi_or_in_process_executor,
    multiprocess_executor,
)
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.definitions.utils import DISALLOWED_NAMES

from ai.starlake.common.identifiers import RESERVED_NAMES
from ai.starlake.dagster import _compat
from ai.starlake.dagster.ops import _INTERRUPTED_WITH_THE_RUN


def op_of(compute, name="an_op", **arguments):
    return OpDefinition(compute_fn=compute, name=name, **{"outs": {"result": Out(str)}, **arguments})


def job_of(*nodes, **arguments):
    return JobDefinition(name="a_job", graph_def=GraphDefinition(name="a_graph", node_defs=list(nodes)), **arguments)


def test_the_names_that_dagster_reserves_are_those_that_we_avoid():
    assert set(DISALLOWED_NAMES) == set(RESERVED_NAMES)


def test_tags_are_called_what_we_think():
    from dagster._core.storage import tags

    assert _compat.PARTITION_TAG == tags.PARTITION_NAME_TAG
    assert _compat.SCHEDULED_TIME_TAG == tags.SCHEDULED_EXECUTION_TIME_TAG
    assert _compat.SCHEDULE_TAG == tags.SCHEDULE_NAME_TAG


def test_a_compute_function_is_any_callable_of_context_and_inputs():
    class Body:
        __signature__ = inspect.Signature(
            [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("context", "inputs")]
        )

        def __call__(self, context, inputs):
            yield Output(f"{context.op_def.name} {dict(inputs)}", "result")

    assert job_of(op_of(Body())).execute_in_process().output_for_node("an_op") == "an_op {}"


def test_an_output_of_nothing_has_no_value():
    op = op_of(lambda _context, _inputs: iter([Output(None, "result")]), outs={"result": Out(Nothing)})
    assert job_of(op).execute_in_process().success
    assert Out(Nothing).dagster_type.kind.name == "NOTHING"


def test_outputs_can_be_made_optional():
    assert Out(str)._replace(is_required=False).is_required is False
    op = op_of(lambda _context, _inputs: iter([]), outs={"result": Out(str)._replace(is_required=False)})
    assert job_of(op).execute_in_process().success


def test_the_outputs_of_a_graph_come_in_the_order_of_its_mappings(factory):
    pre_load = factory("imported").sl_pre_load("starbake")
    found = []

    @graph
    def unpacked():
        found.extend(pre_load(factory().dummy_op("start")()))

    assert [handle.output_name for handle in found] == ["load_domain", "skipped"]


def test_two_definitions_of_one_name_are_refused():
    one, other = (op_of(lambda _context, _inputs: iter([]), tags={"x": text}) for text in "ab")
    with pytest.raises(DagsterInvalidDefinitionError, match="conflicting node definitions"):
        job_of(one, other)


def test_the_configuration_of_a_run_lacks_what_the_job_and_its_graphs_configure():
    schema = Field({"x": Field(str, is_required=False)}, is_required=False)
    seen = []

    def compute(context, _inputs):
        seen.append((dict(context.run.run_config), {k: v.config for k, v in _compat.op_configs(context).items()}))
        yield Output("", "result")

    op = op_of(compute, config_schema=schema)
    job_of(op, config={"ops": {"an_op": {"config": {"x": "1"}}}}).execute_in_process()
    mapping = ConfigMapping(config_schema={"y": str}, config_fn=lambda given: {"an_op": {"config": {"x": given["y"]}}})
    inner = GraphDefinition(name="inner", node_defs=[op], config=mapping)
    job_of(inner).execute_in_process(run_config={"ops": {"inner": {"config": {"y": "2"}}}})
    (of_job, resolved), (of_graph, mapped) = seen
    assert "an_op" not in of_job.get("ops", {})
    assert resolved["an_op"] == {"x": "1"}
    assert of_graph == {"ops": {"inner": {"config": {"y": "2"}}}}
    assert mapped["inner.an_op"] == {"x": "2"}


@pytest.mark.parametrize(
    ("partitions", "tags", "key"),
    [(StaticPartitionsDefinition(["a"]), {}, "a"), (None, {"dagster/partition": "2026-03-01"}, None)],
)
def test_a_partition_that_is_not_of_time_has_no_time_window(partitions, tags, key):
    seen = []

    def compute(context, _inputs):
        assert context.has_partition_key
        with pytest.raises(DagsterInvariantViolationError):
            _ = context.partition_time_window
        seen.append(context.partition_key)
        yield Output("", "result")

    job = job_of(op_of(compute), partitions_def=partitions)
    assert job.execute_in_process(tags=tags, partition_key=key).success
    assert len(seen) == 1


def test_the_launch_time_of_a_run_knows_its_zone():
    with DagsterInstance.ephemeral() as instance:
        before = datetime.now(timezone.utc)
        result = job_of(op_of(lambda _context, _inputs: iter([Output("", "result")]))).execute_in_process(
            instance=instance
        )
        created = instance.get_run_record_by_id(result.run_id).create_timestamp
    assert abs((created - before).total_seconds()) < 60


JOB_FILE = """
from dagster import In, Nothing, Out, fs_io_manager, job, op
from ai.starlake.dagster import _compat
import multiprocessing

@op(out={"sentinel": Out(bool)})
def ask(context):
    fd = _compat.run_process_sentinel()
    parent = multiprocessing.parent_process()
    return fd is not None and fd == parent.sentinel and _compat.run_process_id() == parent.pid

@op
def parents(context, sentinel: bool):
    parent, root = _compat.parent_run_of(context.run), _compat.root_run_of(context.run)
    context.log.info(f"sentinel {sentinel} parent {parent} root {root}")

@job
def asking():
    parents(ask())
"""


def test_only_a_step_in_a_process_of_its_own_knows_the_process_of_its_run():
    assert multiprocessing.parent_process() is None or multiprocessing.parent_process().sentinel
    assert _compat.run_process_sentinel() is None
    assert _compat.run_process_id() == os.getpid()


@pytest.mark.slow
def test_a_step_in_a_process_of_its_own_knows_the_run_and_those_that_it_continues(tmp_path):
    (tmp_path / "job.py").write_text(JOB_FILE)
    (tmp_path / "home").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        job = ReconstructableJob.for_file(str(tmp_path / "job.py"), "asking")
        ids = []
        for _ in range(3):
            options = ReexecutionOptions(parent_run_id=ids[-1], step_selection=["parents"]) if ids else None
            with execute_job(job, instance=instance, reexecution_options=options) as result:
                assert result.success
                ids.append(result.run_id)
        logs = [entry for run_id in ids for entry in instance.all_logs(run_id) if entry.dagster_event is None]
    words = [log.user_message.split() for log in logs if log.user_message.startswith("sentinel")]
    assert [dict(zip(w[::2], w[1::2], strict=True)) for w in words] == [
        {"sentinel": "True", "parent": "None", "root": "None"},
        {"sentinel": "True", "parent": ids[0], "root": ids[0]},
        {"sentinel": "True", "parent": ids[1], "root": ids[0]},
    ]


def test_a_reexecution_by_the_ui_notes_its_parent_in_the_run_and_in_a_tag():
    from dagster._core.storage import tags

    assert (tags.PARENT_RUN_ID_TAG, tags.ROOT_RUN_ID_TAG) == ("dagster/parent_run_id", "dagster/root_run_id")
    assert {"parent_run_id", "root_run_id"} <= set(dagster.DagsterRun._fields)


def test_skipped_outputs_skip_and_a_fan_in_runs_with_what_there_is():
    def decide(_context, _inputs):
        yield Output("no", "skipped")

    outs = {name: Out(str, is_required=False) for name in ("ready", "skipped")}
    check = op_of(decide, name="check", outs=outs)
    load = op_of(lambda _context, _inputs: iter([Output("", "result")]), name="load", ins={"x": In(str)})

    @dagster.op(ins={"both": In()})
    def after(both):
        return both

    @graph
    def deciding():
        ready, skipped = check()
        after([load(ready), skipped])

    result = deciding.execute_in_process()
    assert result.output_for_node("after") == ["no"]
    assert [event.step_key for event in result.all_events if event.event_type_value == "STEP_SKIPPED"] == ["load"]
    assert DependencyDefinition("check", "ready").output == "ready"


def test_an_input_of_a_graph_may_be_one_of_several_sources_of_an_input():
    """Pipelines of generated files rely on it: the order of a task within a group and of the group itself meet."""
    started = []

    def op_named(name):
        def compute(context, inputs):
            started.append(name)
            yield Output(None)

        return OpDefinition(compute_fn=compute, name=name, ins={"start": In(Nothing)}, outs={"result": Out(Nothing)})

    both = MultiDependencyDefinition([DependencyDefinition("inner"), _compat.MAPPED_INPUT])
    group = GraphDefinition(
        name="group",
        node_defs=[op_named("inner"), op_named("last")],
        dependencies={"last": {"start": both}},
        input_mappings=[
            InputMapping(
                graph_input_name="start", mapped_node_name="last", mapped_node_input_name="start", fan_in_index=1
            )
        ],
    )
    job = GraphDefinition(
        name="a_graph",
        node_defs=[group, op_named("outer")],
        dependencies={NodeInvocation("group", alias="under_its_alias"): {"start": DependencyDefinition("outer")}},
    ).to_job()
    result = job.execute_in_process()
    assert result.success
    assert started[-1] == "last"
    assert set(started[:-1]) == {"inner", "outer"}
    keys = {event.step_key for event in result.all_events if event.event_type_value == "STEP_START"}
    assert keys == {"outer", "under_its_alias.inner", "under_its_alias.last"}


def test_inputs_of_nothing_may_stay_without_a_source():
    job_of(op_of(lambda context, inputs: iter([Output("")]), ins={"start": In(Nothing)})).execute_in_process()


def test_a_run_that_dagster_will_retry_has_a_tag():
    from dagster._core.storage.tags import WILL_RETRY_TAG

    assert _compat.will_be_retried(DagsterRun(job_name="a_job", tags={WILL_RETRY_TAG: "true"}))
    assert not _compat.will_be_retried(DagsterRun(job_name="a_job", tags={WILL_RETRY_TAG: "false"}))
    assert not _compat.will_be_retried(DagsterRun(job_name="a_job"))


def test_a_run_knows_the_code_location_that_it_was_launched_from():
    try:
        from dagster._core.remote_origin import RemoteJobOrigin
    except ImportError:  # where it was before 1.13
        from dagster._core.remote_representation.origin import RemoteJobOrigin

    class Launched:
        class remote_job_origin:  # noqa: N801
            location_name = "sales"

    assert isinstance(RemoteJobOrigin.location_name, property)
    assert _compat.code_location_of(DagsterRun(job_name="a_job")) == ""
    assert _compat.code_location_of(Launched()) == "sales"


def test_executors_that_interrupt_steps_with_their_run_only_are_called_what_we_think():
    names = {executor.name for executor in (in_process_executor, multiprocess_executor, multi_or_in_process_executor)}

    def name_of_executor(context, _inputs):
        yield Output(context.job_def.executor_def.name, "result")

    within = job_of(op_of(name_of_executor)).execute_in_process().output_for_node("an_op")
    assert {*names, within} == _INTERRUPTED_WITH_THE_RUN


@pytest.mark.parametrize("kind", [ValueError, type("OurError", (dagster.DagsterError,), {})])
def test_only_an_error_of_dagsters_own_kind_lets_a_sensor_look_at_a_run_again(kind):
    """Of any other error Dagster takes note, and the cursor of the sensor moves on."""

    def fail(_context, _inputs):
        raise RuntimeError

    job = job_of(op_of(fail))

    @dagster.run_failure_sensor(monitored_jobs=[job])
    def look_after(context):
        raise kind

    repository = dagster.Definitions(jobs=[job], sensors=[look_after]).get_repository_def()
    with DagsterInstance.ephemeral() as instance:
        before = json.dumps({"__class__": "RunStatusSensorCursor", "record_id": 0})
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        context = dagster.build_sensor_context(instance, cursor=before, repository_def=repository)
        if kind is ValueError:
            tick = look_after.evaluate_tick(context)
            assert tick.dagster_run_reactions[0].error is not None
            assert tick.cursor != before
        else:
            with pytest.raises(kind):
                look_after.evaluate_tick(context)


def test_a_step_knows_the_key_of_its_events_and_the_name_that_its_graph_gives_it():
    def tell(context, _inputs):
        yield Output(f"{context.get_step_execution_context().step.key} {context.op_handle.name}", "result")

    group = GraphDefinition(
        name="group", dependencies={NodeInvocation("an_op", alias="alias"): {}}, node_defs=[op_of(tell)]
    )
    result = job_of(group).execute_in_process()
    (event,) = [event for event in result.all_node_events if event.event_type_value == "STEP_OUTPUT"]
    assert event.step_key == "group.alias"
    assert result.output_for_node("group.alias") == "group.alias alias"


class TestPartitionsOfTime:
    """Defects that `ai.starlake.dagster.pipelines.partitions` works around."""

    KEY = "2026-04-24T00:00:00+0200"
    FORMAT = "%Y-%m-%dT%H:%M:%S%z"

    def cairo(self, cron):
        start = datetime(2026, 4, 20, tzinfo=ZoneInfo("Africa/Cairo"))
        return TimeWindowPartitionsDefinition(
            cron_schedule=cron, start=start, timezone="Africa/Cairo", fmt=self.FORMAT, end="2026-05-01T00:00:00+0300"
        )

    @pytest.mark.parametrize(("cron", "accepted"), [("0 0 * * *", False), ("00 0 * * *", True)])
    def test_a_day_without_midnight_is_listed_and_accepted_in_one_spelling_only(self, cron, accepted):
        partitions = self.cairo(cron)
        assert self.KEY in partitions.get_partition_keys()
        assert partitions.has_partition_key(self.KEY) is accepted

    @pytest.mark.parametrize(("cron", "year"), [("0 0 29 2 *", 2028), ("0 0 29 02 *", 2024)])
    def test_a_search_on_a_leap_day_misses_it_in_one_spelling(self, cron, year):
        start = datetime(2020, 1, 1, tzinfo=timezone.utc)
        partitions = TimeWindowPartitionsDefinition(cron_schedule=cron, start=start, fmt=self.FORMAT)
        windows = _compat.windows_from(partitions, datetime(2024, 2, 29, tzinfo=timezone.utc))
        assert next(iter(windows)).start == datetime(year, 2, 29, tzinfo=timezone.utc)

    def test_windows_from_a_timestamp_on(self):
        begin = datetime(2026, 4, 22, 12, tzinfo=timezone.utc)
        windows = itertools.islice(_compat.windows_from(self.cairo("0 0 * * *"), begin), 2)
        assert [window.start.day for window in windows] == [23, 24]

    def test_a_search_that_begins_after_a_change_to_summer_time_may_fail(self):
        partitions = TimeWindowPartitionsDefinition(
            cron_schedule="*/15 1-3 * * *",
            start=datetime(2026, 1, 1, tzinfo=ZoneInfo("Pacific/Chatham")),
            timezone="Pacific/Chatham",
            fmt=self.FORMAT,
        )
        with pytest.raises(_compat.CheckError):
            next(iter(_compat.windows_from(partitions, datetime(2026, 9, 27, 1, tzinfo=timezone.utc))))


def test_materializations_of_all_assets_come_in_their_order():
    with DagsterInstance.ephemeral() as instance:
        for name in ("a", "b", "a"):
            instance.report_runless_asset_event(dagster.AssetMaterialization(name))
        long_ago = datetime(2000, 1, 1, tzinfo=timezone.utc)
        first, second, third = _compat.materializations_after(instance, 0, long_ago, 10)
        assert [record.asset_key.path[0] for record in (first, second, third)] == ["a", "b", "a"]
        assert _compat.materializations_after(instance, first.storage_id, long_ago, 1) == [second]
        assert _compat.materializations_after(instance, 0, datetime(2999, 1, 1, tzinfo=timezone.utc), 1) == []


def test_a_selection_of_ops_knows_the_job_that_it_is_of():
    job = job_of(op_of(lambda _context, _inputs: "", "one"), op_of(lambda _context, _inputs: "", "two"))
    selected = job.get_subset(op_selection=["one"])
    assert [node.name for node in selected.graph.nodes] == ["one"]
    assert _compat.whole_job(selected) is job
    assert _compat.whole_job(job) is job
