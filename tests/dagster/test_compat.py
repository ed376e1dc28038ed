"""Parts of Dagster that are not public are used in `_compat` only; each use in it is pinned on both ends."""

from __future__ import annotations

import functools
import inspect
import logging
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Annotated

import dagster
import pytest
from dagster import (
    AllPartitionMapping,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetDep,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    BackfillPolicy,
    DagsterEventType,
    DagsterExecutionInterruptedError,
    DagsterInstance,
    DagsterRun,
    DailyPartitionsDefinition,
    Definitions,
    DependencyDefinition,
    Failure,
    GraphDefinition,
    In,
    InputMapping,
    JobDefinition,
    LastPartitionMapping,
    MaterializeResult,
    Nothing,
    OpDefinition,
    OpExecutionContext,
    Out,
    Output,
    OutputMapping,
    RetryPolicy,
    TimeWindowPartitionsDefinition,
    asset,
    build_sensor_context,
    define_asset_job,
    materialize,
    multi_asset,
    op,
)

from ai.starlake.dagster import _compat
from tests.dagster.dagster_interface import names_of_members, uses_of_what_is_not_public

LIBRARY = Path(__file__).parents[2] / "ai/starlake"
COMPATIBILITY = LIBRARY / "dagster/_compat"


@functools.cache
def ours() -> set[str]:
    """Names of members of our own classes; read when a test asks for them, not when tests are collected."""
    return {name for path in LIBRARY.rglob("*.py") for name in names_of_members(path.read_text("utf-8"))}


class TestSearch:
    @pytest.mark.parametrize(
        "use",
        [
            "def f(context: OpExecutionContext):\n    return context.op_handle.name",
            "def f(context: OpExecutionContext):\n    return context.get_step_execution_context().step.key",
            "def f(context):\n    return context.instance.all_logs(context.run_id)",
            "def f(instance: DagsterInstance):\n    for run in instance.get_runs():\n        print(run)",
            "def f(op):\n    return next(iter(op.output_dict))",
            "def f(job: JobDefinition):\n    return job.graph.nodes",
            "def f(job):\n    return job.get_tags_for_partition_key('x')",
            "def f(p: TimeWindowPartitionsDefinition):\n    return p.get_first_partition_key()",
            "def f(entry: EventLogEntry | None):\n    event = entry.dagster_event\n    return event.step_failure_data",
            "def f(out: Out):\n    return out._replace(is_required=False)",
            "class A:\n    context: OpExecutionContext\n\n    def f(self):\n        return self.context.op_handle",
            "def f(instance: DagsterInstance):\n    return [one.name for one in [instance.event_log_storage]]",
            "async def f():\n    return [x.event_log_storage for x in y]",
        ],
    )
    def test_a_use_is_found(self, use):
        assert uses_of_what_is_not_public(use, ours())

    @pytest.mark.parametrize(
        "use",
        [
            "def f(context: OpExecutionContext):\n    return context.run.tags, context.log, context.op_def.name",
            "def f(instance: DagsterInstance):\n    return [r.dagster_run.run_id for r in instance.get_run_records()]",
            "def f(event: DagsterEvent):\n    return event.event_type, event.step_key",
            "def f(p: TimeWindowPartitionsDefinition):\n    return p.start, p.timezone, p.fmt",
            "def f(made: AssetMaterialization):\n    return made.metadata, made.partition",
            "def f(graph: GraphDefinition):\n    return graph.to_job(name='x'), graph.name",
            "def f(text):\n    return text.strip().partition('=')",
        ],
    )
    def test_the_public_interface_is_not_taken_for_it(self, use):
        assert uses_of_what_is_not_public(use, ours()) == []

    def test_what_is_in_compat_is_found_by_it(self):
        """Each of these modules is there for a reason, which the search knows."""
        known = {"__init__.py"} if hasattr(dagster, "Component") else {"__init__.py", "components.py"}
        modules = [path for path in COMPATIBILITY.glob("*.py") if path.name not in known]
        found = {path.name: uses_of_what_is_not_public(path.read_text("utf-8"), ours()) for path in modules}
        assert len(found) > 3
        assert [name for name, uses in found.items() if not uses] == []


def test_what_dagster_does_not_mark_as_public_is_used_in_compat_only():
    found = {
        str(path.relative_to(LIBRARY)): uses_of_what_is_not_public(path.read_text("utf-8"), ours())
        for path in (LIBRARY / "dagster").rglob("*.py")
        if COMPATIBILITY not in path.parents
    }
    assert len(found) > 20
    assert {path: uses for path, uses in found.items() if uses} == {}


def test_each_use_is_pinned():
    here = Path(__file__).parent
    text = "".join((here / name).read_text("utf-8") for name in ("test_compat.py", "test_characterization.py"))
    assert [name for name in _compat.__all__ if f"_compat.{name}" not in text] == []


def op_of(compute, name="an_op", **arguments):
    return OpDefinition(compute_fn=compute, name=name, **{"outs": {"result": Out(str)}, **arguments})


def run_of(op, instance, **arguments):
    job = JobDefinition(name="a_job", graph_def=GraphDefinition(name="a_graph", node_defs=[op]))
    return job.execute_in_process(instance=instance, raise_on_error=False, **arguments)


class TestRuns:
    def test_a_step_knows_its_key_and_the_name_of_its_op(self, instance):
        seen = []

        def compute(context, _inputs):
            seen.append((_compat.step_key_of(context), _compat.op_name_of(context)))
            assert _compat.current_context().run_id == context.run_id
            yield Output("x")

        inner = GraphDefinition(name="inner", node_defs=[op_of(compute)])
        run_of(inner, instance)
        assert seen == [("inner.an_op", "an_op")]
        assert _compat.current_context() is None

    def test_tags_are_added_to_a_run_that_is_under_way(self, instance):
        def compute(context, _inputs):
            _compat.add_run_tags(context.instance, context.run_id, {"a": "b"})
            yield Output("x")

        result = run_of(op_of(compute), instance)
        assert instance.get_run_by_id(result.run_id).tags["a"] == "b"

    def test_a_run_for_a_partition_has_its_tag(self):
        graph = GraphDefinition(name="g", node_defs=[])
        job = graph.to_job(partitions_def=DailyPartitionsDefinition("2026-01-01"))
        assert _compat.partition_tags(job, "2026-01-02")[_compat.PARTITION_TAG] == "2026-01-02"


class TestResumedRuns:
    """Runs that a run continues; `tests/dagster/assets/test_retries.py` uses real re-executions."""

    @pytest.mark.parametrize(
        ("tags", "steps", "expected"),
        [
            ({"dagster/is_resume_retry": "true"}, ["an_op"], True),
            ({}, ["an_op"], True),
            ({}, ["done"], False),
            ({"dagster/step_selection": "an_op"}, ["an_op"], False),
            ({}, None, False),
        ],
    )
    def test_a_run_goes_on_with_the_failed_steps_of_its_parent(self, instance, tags, steps, expected):
        def compute(_context, _inputs):
            yield Output("x")

        parent = run_of(op_of(compute, name="done"), instance)
        run = DagsterRun(
            job_name="a_job",
            parent_run_id=parent.run_id,
            root_run_id=parent.run_id,
            tags=tags,
            step_keys_to_execute=steps,
        )
        found = _compat.resumed_run_of(instance, run, (steps or ["an_op"])[0])
        assert (found.run_id if found else None) == (parent.run_id if expected else None)

    def test_a_run_without_a_parent_begins_anew(self, instance):
        assert _compat.resumed_run_of(instance, DagsterRun(job_name="a_job"), "an_op") is None


class TestInterruptions:
    @pytest.mark.parametrize("kind", [DagsterExecutionInterruptedError, KeyboardInterrupt])
    def test_a_step_that_is_interrupted_raises_one_of_two_exceptions(self, kind):
        assert issubclass(kind, _compat.INTERRUPTIONS)

    def test_a_policy_holds_unless_the_interruption_ends_the_run(self):
        policy = _compat.UninterruptedRetryPolicy(max_retries=1)
        interruption = KeyboardInterrupt()
        assert policy
        for ends, expected in ((False, True), (True, False)):
            if ends:
                _compat.ends_the_run(interruption)
            try:
                raise interruption
            except KeyboardInterrupt:
                assert bool(policy) is expected

    @pytest.mark.parametrize("policy", [None, RetryPolicy(max_retries=3)])
    def test_a_step_knows_its_policy(self, instance, policy):
        seen = []

        def compute(context, _inputs):
            seen.append(_compat.retry_policy_of(context))
            yield Output("x")

        run_of(op_of(compute, retry_policy=policy), instance)
        assert seen == [policy]


class TestEvents:
    def test_materializations_of_a_run_are_known_while_it_goes_on(self, instance):
        seen = []

        def compute(context, _inputs):
            seen.append(_compat.has_materializations(instance, context.run_id))
            yield AssetMaterialization("a", metadata={"rows": 5})
            seen.append(_compat.has_materializations(instance, context.run_id))
            yield Output("x")

        run_of(op_of(compute), instance)
        assert seen == [False, True]
        (run,) = instance.get_runs()
        assert _compat.materialized_by(instance, run.run_id) == {AssetKey("a")}
        (record,) = instance.fetch_materializations(AssetKey("a"), limit=1).records
        assert abs(_compat.recorded_at(record) - datetime.now(timezone.utc)) < timedelta(minutes=5)
        assert _compat.recorded_materialization(record).metadata["rows"].value == 5
        assert _compat.recorded_metadata(record)["rows"].value == 5
        instance.report_runless_asset_event(AssetObservation("a", metadata={"rows": 6}))
        (record,) = instance.fetch_observations(AssetKey("a"), limit=1).records
        assert _compat.recorded_metadata(record)["rows"].value == 6

    def test_runs_that_meant_to_make_an_asset_are_known(self, instance):
        @asset
        def a():
            if instance.get_runs_count() > 1:
                raise Failure

        [first, second] = [materialize([a], instance=instance, raise_on_error=False) for _ in range(2)]
        (record,) = instance.fetch_materializations(AssetKey("a"), limit=1).records
        assert record.run_id == first.run_id
        since = record.storage_id
        assert _compat.runs_planned_since(instance, AssetKey("a"), since, None) == {second.run_id}
        assert _compat.runs_planned_since(instance, AssetKey("a"), since, "2026-01-01") == set()
        assert _compat.runs_planned_since(instance, AssetKey("b"), since, None) == set()

    def test_the_log_of_a_run_is_read_on_from_a_position(self, instance):
        def compute(_context, _inputs):
            yield AssetMaterialization("a")
            yield AssetMaterialization("b")
            raise Failure("because", metadata={"rows": 5})

        result = run_of(op_of(compute), instance)
        first, second, failed = _compat.records_of_run(instance, result.run_id, None, 10)
        assert isinstance(first, _compat.LogRecord)
        assert [each.event.event_type_value for each in (first, second)] == ["ASSET_MATERIALIZATION"] * 2
        assert _compat.failure_of(failed.event).metadata["rows"].value == 5
        assert abs(first.at - datetime.now(timezone.utc).timestamp()) < 300
        assert _compat.records_of_run(instance, result.run_id, first.position, 1) == [second]
        assert _compat.records_of_run(instance, result.run_id, failed.position, 10) == []

    def test_the_result_of_a_check_that_a_run_recorded(self, instance):
        @asset(check_specs=[AssetCheckSpec("positive", asset="numbers")])
        def numbers():
            yield Output(1)
            yield AssetCheckResult(
                passed=False, check_name="positive", severity=AssetCheckSeverity.WARN, metadata={"rows": 5}
            )

        result = materialize([numbers], instance=instance)
        found = [each.event for each in _compat.records_of_run(instance, result.run_id, None, 10)]
        (event,) = [each for each in found if each.event_type is DagsterEventType.ASSET_CHECK_EVALUATION]
        check = _compat.check_of_event(event)
        assert (check.asset_key, check.name, check.passed) == (AssetKey("numbers"), "positive", False)
        assert (check.severity, check.metadata["rows"].value, check.partition) == ("WARN", 5, None)

    def test_outputs_that_a_step_of_another_run_yielded(self, instance):
        def compute(_context, _inputs):
            yield Output("x", "one")

        outs = {"one": Out(str), "two": Out(str, is_required=False)}
        result = run_of(op_of(compute, outs=outs), instance)
        assert _compat.yielded_outputs(instance, result.run_id, "an_op") == {"one"}
        assert _compat.yielded_outputs(instance, result.run_id, "other") == set()

    def test_a_run_knows_what_it_recorded_of_assets_and_not_what_it_planned(self, instance):
        def compute(context, _inputs):
            yield Output(None, "one", metadata={"rows": 5})
            yield AssetObservation("two", metadata={"why": "x"})
            yield AssetCheckResult(passed=True, asset_key="one", check_name="fine")
            recorded.append(_compat.recorded_assets(instance, context.run.run_id))
            raise Failure("two")

        recorded = []
        outs = {name: Out(Nothing, is_required=False) for name in ("one", "two")}
        op = op_of(compute, outs={**outs, "check": Out(None, is_required=False)})
        assets = AssetsDefinition(
            node_def=op,
            keys_by_input_name={},
            keys_by_output_name={name: AssetKey(name) for name in outs},
            check_specs_by_output_name={"check": AssetCheckSpec("fine", asset="one")},
            can_subset=True,
        )
        result = materialize([assets], instance=instance, raise_on_error=False)
        for found in (recorded[0], _compat.recorded_assets(instance, result.run_id)):
            assert list(found.materializations) == [AssetKey("one")]
            assert found.materializations[AssetKey("one")].metadata["rows"].value == 5
            assert found.observations[AssetKey("two")].metadata["why"].value == "x"
            assert found.checks[AssetCheckKey(AssetKey("one"), "fine")].passed

    def test_a_listener_hears_each_entry_and_what_it_holds(self, instance):
        entries = []

        def compute(context, _inputs):
            context.log.info("a message")
            yield AssetMaterialization("a", description="made")
            yield Output("x")

        _compat.listen(instance, "5a4b1d5e-0000-4000-8000-000000000000", entries.append)
        run_of(op_of(compute), instance, run_id="5a4b1d5e-0000-4000-8000-000000000000")
        assert "a message" in [_compat.message_of(entry) for entry in entries if entry.dagster_event is None]
        by_type = {entry.dagster_event.event_type: entry.dagster_event for entry in entries if entry.dagster_event}
        assert _compat.materialization_of(by_type[DagsterEventType.ASSET_MATERIALIZATION]).description == "made"
        assert 0 <= _compat.seconds_of(by_type[DagsterEventType.STEP_SUCCESS]) < 60

    def test_a_failure_on_purpose_has_its_description(self, instance):
        def compute(_context, _inputs):
            raise Failure("because")
            yield

        (event,) = run_of(op_of(compute), instance).filter_events(lambda event: event.is_step_failure)
        found = _compat.failure_of(event)
        assert (found.description, found.error) == ("because", "Failure")

    def test_any_other_failure_has_the_message_of_its_root(self, instance):
        def compute(_context, _inputs):
            raise ValueError("above it") from KeyError("the root")
            yield

        (event,) = run_of(op_of(compute), instance).filter_events(lambda event: event.is_step_failure)
        found = _compat.failure_of(event)
        assert found.description is None
        assert "the root" in found.root_message


def test_a_tick_of_a_sensor_knows_the_assets_of_its_code_location(instance):
    repository = Definitions([AssetSpec("a", metadata={"x": "y"})]).get_repository_def()
    with build_sensor_context(instance=instance, repository_def=repository) as context:
        assert _compat.metadata_of_assets(context)[AssetKey("a")]["x"] == "y"
        assert _compat.code_location_of_tick(context) == ""
    with build_sensor_context(instance=instance) as context:
        assert _compat.metadata_of_assets(context) == {}


def test_a_tick_of_a_sensor_has_a_log(instance):
    with build_sensor_context(instance=instance) as context:
        assert isinstance(_compat.log_of(context), logging.Logger)


def test_the_partitions_of_an_asset_that_were_made(instance):
    for day in ("2026-01-01", "2026-01-03"):
        instance.report_runless_asset_event(AssetMaterialization("orders", partition=day))
    assert _compat.materialized_partitions(instance, AssetKey("orders")) == {"2026-01-01", "2026-01-03"}


class TestWindows:
    DAILY = TimeWindowPartitionsDefinition(
        cron_schedule="0 0 * * *", start=datetime(2026, 1, 1, tzinfo=timezone.utc), fmt="%Y-%m-%d"
    )

    def test_the_window_of_a_timestamp_and_of_a_key(self):
        window = _compat.window_at(self.DAILY, datetime(2026, 1, 2, 23, 59, tzinfo=timezone.utc))
        assert window.start == datetime(2026, 1, 2, tzinfo=timezone.utc)
        assert _compat.window_of(self.DAILY, "2026-01-02") == window

    def test_the_key_of_a_timestamp(self):
        assert _compat.key_at(self.DAILY, datetime(2026, 1, 2, 23, 59, tzinfo=timezone.utc)) == "2026-01-02"

    def test_keys_of_partitions_are_told_from_others(self):
        assert _compat.has_key(self.DAILY, "2026-01-02")
        assert not _compat.has_key(self.DAILY, "2025-01-02")
        assert not _compat.has_key(self.DAILY, "nonsense")

    def test_the_first_key_and_their_number(self):
        assert _compat.first_key(self.DAILY) == "2026-01-01"
        assert _compat.count_keys(self.DAILY) == len(self.DAILY.get_partition_keys())


class TestGraphs:
    def test_what_is_in_a_graph_and_how_it_hangs_together(self):
        def compute(_context, _inputs):
            yield Output("x")

        first = op_of(compute, "first")
        second = op_of(compute, "second", ins={"value": In(str), "start": In(Nothing)})
        graph = GraphDefinition(
            name="g",
            node_defs=[first, second],
            dependencies={"second": {"value": DependencyDefinition("first")}},
            input_mappings=[
                InputMapping(graph_input_name="outer", mapped_node_name="second", mapped_node_input_name="start")
            ],
            output_mappings=[
                OutputMapping(graph_output_name="whole", mapped_node_name="second", mapped_node_output_name="result")
            ],
        )
        assert _compat.graph_of_job(JobDefinition(name="a_job", graph_def=graph)) is graph
        assert dict(_compat.nodes_of(graph)) == {"first": first, "second": second}
        by_name = {invocation.name: inputs for invocation, inputs in _compat.dependencies_of(graph).items()}
        assert by_name["second"]["value"].node == "first"
        assert _compat.inner_input(graph.input_mappings[0]) == ("second", "start")
        assert _compat.inner_output(graph.output_mappings[0]) == ("second", "result")
        assert (_compat.first_output(first), _compat.ordering_input(second)) == ("result", "start")
        assert _compat.ordering_input(first) is None

    def test_the_function_of_an_op_is_the_one_that_was_written(self):
        def written(context):
            return context.run_id

        assert _compat.function_of(op_of(written)) is written
        assert _compat.function_of(op(written)) is written
        assert _compat.function_of(GraphDefinition(name="a_graph")) is None

    def test_an_output_that_may_be_left_out_is_otherwise_the_same(self):
        made = _compat.optional(Out(int, description="d", io_manager_key="k"))
        assert (made.is_required, made.description, made.io_manager_key) == (False, "d", "k")
        assert made.dagster_type.unique_name == "Int"


class TestMovedSpecs:
    def test_a_check_of_another_asset_keeps_all_else(self):
        spec = AssetCheckSpec("rows", asset="old", description="d", blocking=True, metadata={"a": 1})
        moved = _compat.moved_check(spec, AssetKey(["new", "one"]))
        expected = AssetCheckSpec("rows", asset=["new", "one"], description="d", blocking=True, metadata={"a": 1})
        assert moved == expected

    def test_a_dependency_on_another_asset_keeps_its_partition_mapping(self):
        mapping = LastPartitionMapping()
        moved = _compat.moved_dep(AssetDep("old", partition_mapping=mapping), AssetKey("new"))
        assert moved == AssetDep("new", partition_mapping=mapping)

    def test_a_dependency_with_another_mapping_keeps_its_asset(self):
        mapped = _compat.mapped_dep(AssetDep("old", partition_mapping=LastPartitionMapping()), AllPartitionMapping())
        assert mapped == AssetDep("old", partition_mapping=AllPartitionMapping())


class TestCheckResults:
    @staticmethod
    def run_of(event, severity: AssetCheckSeverity):
        """Run an asset with two blocking checks that fail, and one that reads it."""
        specs = [AssetCheckSpec(name, asset="orders", blocking=True) for name in ("first", "second")]

        @multi_asset(specs=[AssetSpec("orders", skippable=True)], check_specs=specs, can_subset=True)
        def load(context):
            yield MaterializeResult(asset_key="orders")
            for spec in specs:
                result = AssetCheckResult(passed=False, asset_key="orders", check_name=spec.name, severity=severity)
                yield from event(result, context.op_execution_context)

        @asset(deps=["orders"])
        def report() -> None:
            pass

        with DagsterInstance.ephemeral() as instance:
            return materialize([load, report], instance=instance, raise_on_error=False)

    def test_results_of_blocking_checks_do_not_end_a_step(self):
        run = self.run_of(_compat.check_evaluations, AssetCheckSeverity.ERROR)
        found = {each.check_name: each for each in run.get_asset_check_evaluations()}
        assert set(found) == {"first", "second"}
        assert not any(each.passed for each in found.values())
        assert all(each.target_materialization_data.run_id == run.run_id for each in found.values())

    def test_a_harmless_result_of_a_blocking_check_lets_what_reads_the_asset_run(self, caplog):
        run = self.run_of(_compat.harmless_evaluations, AssetCheckSeverity.WARN)
        found = {each.check_name: each for each in run.get_asset_check_evaluations()}
        assert set(found) == {"first", "second"}
        assert not any(getattr(each, "blocking", False) for each in found.values())
        assert run.success
        assert run.asset_materializations_for_node("report")
        assert "without gating" not in caplog.text

    @pytest.mark.parametrize("blocking", [True, False])
    def test_a_result_is_reported_outside_of_steps(self, blocking):
        result = AssetCheckResult(passed=False, asset_key="orders", check_name="rows", metadata={"rows": 2})
        with DagsterInstance.ephemeral() as instance:
            _compat.report_check(result, instance, blocking=blocking)
            key = AssetCheckKey(AssetKey("orders"), "rows")
            (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
        recorded = record.event.dagster_event.asset_check_evaluation_data
        assert (recorded.passed, recorded.metadata["rows"].value) == (False, 2)
        assert getattr(recorded, "blocking", blocking) is blocking

    def test_a_result_is_for_the_last_materialization_of_its_asset(self, instance):
        result = AssetCheckResult(passed=True, asset_key=AssetKey("orders"), check_name="rows")
        assert _compat.evaluation_of(result, instance, blocking=True).target_materialization_data is None
        for _ in range(2):
            instance.report_runless_asset_event(AssetMaterialization("orders"))
        (record,) = instance.fetch_materializations(AssetKey("orders"), limit=1).records
        evaluation = _compat.evaluation_of(result, instance, blocking=True)
        assert evaluation.target_materialization_data.storage_id == record.storage_id
        assert _compat.evaluation_of(result, blocking=True).target_materialization_data is None

    def test_results_in_steps_that_make_no_assets_are_on_record_page_by_page(self, instance):
        key = AssetCheckKey(AssetKey("orders"), "rows")

        def compute(context, _inputs):
            result = AssetCheckResult(passed=False, asset_key=key.asset_key, check_name="rows", metadata={"rows": 7})
            yield from _compat.external_evaluations(result, context)
            yield Output("x")

        before = datetime.now(timezone.utc)
        for _ in range(3):
            assert run_of(op_of(compute), instance).success
        found = list(_compat.check_results(instance, key, page=2))
        assert [metadata["rows"].value for _, metadata in found] == [7, 7, 7]
        assert before <= found[-1][0] <= found[0][0]
        other = AssetCheckKey(key.asset_key, "other")
        assert list(_compat.check_results(instance, other, page=2)) == []
        latest = _compat.latest_check_results(instance, [key, other])
        assert {each: metadata["rows"].value for each, metadata in latest.items()} == {key: 7}
        assert _compat.latest_check_results(instance, []) == {}

    def test_the_last_materializations_of_many_assets_are_known_at_once(self, instance):
        for rows in (1, 2):
            instance.report_runless_asset_event(AssetMaterialization("orders", metadata={"rows": rows}))
        latest = _compat.latest_materializations(instance, [AssetKey("orders"), AssetKey("other")])
        assert {key: metadata["rows"].value for key, metadata in latest.items()} == {AssetKey("orders"): 2}
        assert _compat.latest_materializations(instance, []) == {}

    def test_a_failed_check_that_blocks_does_not_fail_a_step_of_checks(self, instance):
        specs = [AssetCheckSpec(name, asset="orders", blocking=True) for name in ("first", "second")]

        def read(context, _inputs):
            for spec in specs:
                failed = AssetCheckResult(passed=False, asset_key=spec.asset_key, check_name=spec.name)
                yield from _compat.harmless_results(failed, context)

        read.__annotations__["context"] = OpExecutionContext
        reader = op_of(read, outs={spec.name: Out(None, is_required=False) for spec in specs})
        checks = _compat.checks_of_op(reader, {spec.name: spec for spec in specs})
        job = define_asset_job("checks", selection=AssetSelection.checks(checks))
        definitions = Definitions(assets=[AssetSpec("orders")], asset_checks=[checks], jobs=[job])
        run = definitions.get_repository_def().get_job("checks").execute_in_process(instance=instance)
        assert run.success
        for spec in specs:
            (record,) = instance.event_log_storage.get_asset_check_execution_history(spec.key, limit=5)
            assert record.event.dagster_event.event_specific_data.passed is False

    def test_a_range_of_partitions_has_a_result_for_each_where_checks_have_partitions(self):
        days = DailyPartitionsDefinition("2026-01-01")
        may = "partitions_def" in inspect.signature(AssetCheckSpec).parameters
        spec = AssetCheckSpec("rows", asset="orders", **({"partitions_def": days} if may else {}))
        several = []

        @multi_asset(
            specs=[AssetSpec("orders", partitions_def=days)],
            check_specs=[spec],
            can_subset=True,
            backfill_policy=BackfillPolicy.single_run(),
        )
        def load(context):
            yield MaterializeResult(asset_key="orders")
            result = AssetCheckResult(passed=True, asset_key="orders", check_name="rows")
            several.append(_compat.has_several_partitions(result, context.op_execution_context))
            yield from _compat.harmless_evaluations(result, context.op_execution_context)

        start, end = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
        with DagsterInstance.ephemeral() as instance:
            run = materialize([load], instance=instance, tags={start: "2026-01-02", end: "2026-01-03"})
        found = run.get_asset_check_evaluations()
        assert several == [may]
        assert [getattr(each, "partition", None) for each in found] == (["2026-01-02", "2026-01-03"] if may else [None])
        targets = {each.target_materialization_data.storage_id for each in found}
        assert len(targets) == len(found)


class TestComponents:
    """Dagster 1.9.13 has none; what is used of them is pinned where they are."""

    def test_the_state_of_a_component_is_that_of_a_load_or_of_a_run(self, monkeypatch):
        if not hasattr(dagster, "Component"):
            with pytest.raises(ImportError):
                import_module("ai.starlake.dagster._compat.components")
            return
        from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

        from ai.starlake.dagster._compat.components import is_first_load

        monkeypatch.setattr(DefinitionsLoadContext, "_instance", None)  # a component may be loaded in this process
        assert is_first_load()
        context = DefinitionsLoadContext(DefinitionsLoadType.RECONSTRUCTION)
        monkeypatch.setattr(DefinitionsLoadContext, "_instance", context)
        assert not is_first_load()

    def test_a_field_of_yaml_is_read_as_its_type_says(self):
        if not hasattr(dagster, "Component"):
            with pytest.raises(ImportError):
                import_module("ai.starlake.dagster._compat.components")
            return
        from dagster import Model, ResolutionContext, Resolvable

        from ai.starlake.dagster._compat.components import described, from_file_of, read_model

        class Field(Resolvable, Model):
            number: Annotated[int, described("a number", [1, 2])] = 0

        context = ResolutionContext.default()
        assert read_model(Field, context, Field.model()(number="{{ 3 }}")).number == 3
        assert from_file_of(context, "/a/b") == Path("/a/b")
        assert Field.resolve_from_yaml("number: '{{ 3 }}'").number == 3
        schema = Field.model().model_json_schema()["properties"]["number"]
        assert (schema["description"], schema["examples"]) == ("a number", [1, 2])

    def test_attributes_of_yaml_change_a_spec(self):
        if not hasattr(dagster, "Component"):
            with pytest.raises(ImportError):
                import_module("ai.starlake.dagster._compat.components")
            return
        from dagster import AssetSpec
        from dagster.components import AssetAttributesModel, ResolutionContext

        from ai.starlake.dagster._compat.components import changed_spec

        given = AssetAttributesModel(key_prefix="p", tags={"new": "{{ word }}"}, group_name="g")
        spec = AssetSpec("a", tags={"old": "1"}, group_name="before")
        changed = changed_spec(spec, given, ResolutionContext.default(), {"word": "b"}, "translation")
        assert (changed.key, changed.group_name) == (AssetKey(["p", "a"]), "g")
        assert changed.tags == {"old": "1", "new": "b"}
