"""Defects measured in the existing package for Starlake on Dagster, one test each; every one would fail there.

The ids are those of the survey in which they were found.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DailyPartitionsDefinition,
    Definitions,
    DependencyDefinition,
    GraphDefinition,
    In,
    JobDefinition,
    MultiAssetSensorDefinition,
    RunRequest,
    ScheduleDefinition,
    build_multi_asset_sensor_context,
    build_schedule_context,
    serialize_value,
)

from ai.starlake.common import NameCollisionError, StarlakeError, sanitize_id
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.job import StarlakeOptionWarning, StarlakeSparkConfig
from tests.waiting import PATIENCE, is_alive, wait_for, wait_until_gone, whole_lines


def chained(job, pre_load):
    """Return a job of a pre-load check and the load that follows it."""
    load = job.sl_load("the_load", "starbake", "Customers", ins={"domain": In(str)})
    dependencies = {
        pre_load.name: {"domain": DependencyDefinition("start")},
        "the_load": {"domain": DependencyDefinition(pre_load.name, "load_domain")},
    }
    nodes = [job.dummy_op("start"), pre_load, load]
    return JobDefinition(name="chained", graph_def=GraphDefinition("g", node_defs=nodes, dependencies=dependencies))


def materializations(result):
    return [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]


def test_d01_the_constructor_of_the_readme_works():
    assert StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": "starlake"}).dummy_op("start").name == "start"
    assert StarlakeDagsterShellJob("ack", {}).pre_load_strategy == "ack"
    assert StarlakeDagsterShellJob(filename="a.py", module_name="a").filename == "a.py"


def test_d02_an_op_that_is_retried_or_run_again_runs_the_same_command(factory, run, fake, project):
    fake.behave("load", exit_codes=[1, 0])
    op = factory(retries=1, retry_delay=0).sl_load(None, "starbake", "Customers")
    assert run(op).success
    assert run(op).success
    assert [call.argv[:5] for call in fake.calls()] == [("load", "--domains", "starbake", "--tables", "Customers")] * 3


def test_d03_what_the_caller_passes_is_not_changed(sl_job):
    arguments, assets = ["load", "--domains", "d"], [AssetKey("a")]
    sl_job.sl_job("x", arguments)
    sl_job.dummy_op("y", asset=assets)
    assert (arguments, assets) == (["load", "--domains", "d"], [AssetKey("a")])


def test_d04_no_value_is_interpreted_by_a_shell(factory, run, fake, tmp_path):
    trap = tmp_path / "trap"
    table = f"x; touch {trap} #"
    variables = {"SL_P": f"$HOME `id` $(touch {trap}) \"quoted\" 'too'"}
    assert run(factory(env=variables).sl_load("a", "my domain", table, asset="a")).success
    (call,) = fake.calls()
    assert call.value_of("--tables") == table
    assert call.value_of("--domains") == "my domain"
    assert call.environment["SL_P"] == variables["SL_P"]
    assert not trap.exists()


def test_d05_the_value_of_an_option_may_hold_an_equals_sign_and_a_comma_is_refused(sl_job, run, fake):
    assert run(sl_job.sl_transform("a", "k.v", "filter=a=b")).success
    assert fake.calls()[0].options == {"filter": "a=b"}
    with pytest.raises(StarlakeError, match="cannot be passed"):
        sl_job.sl_transform("b", "k.v", {"url": "jdbc:x?a=1,b=2"})


def test_d06_the_environment_is_that_of_the_run(sl_job, run, fake, monkeypatch):
    monkeypatch.setenv("SL_MARK", "definition")
    op = sl_job.sl_load("a", "starbake", "Customers")
    monkeypatch.setenv("SL_MARK", "run")
    assert run(op).success
    assert fake.calls()[0].environment["SL_MARK"] == "run"


def test_d07_a_secret_is_in_no_argument_event_or_metadata(factory, run, fake, shared_instance, monkeypatch):
    monkeypatch.setenv("THE_SECRET", "hunter2-xyz")
    result = run(factory(env={"SL_TOKEN": {"env": "THE_SECRET"}}).sl_load("a", "starbake", "Customers"))
    (call,) = fake.calls()
    assert call.environment["SL_TOKEN"] == "hunter2-xyz"
    assert "hunter2-xyz" not in " ".join(call.argv)
    assert "hunter2-xyz" not in "".join(serialize_value(entry) for entry in shared_instance.all_logs(result.run_id))


def test_d08_an_ack_file_is_waited_for_and_no_retries_are_no_retries(factory, run):
    started = time.monotonic()
    job = factory("ack", ack_wait_timeout=0.5)
    assert run(chained(job, job.sl_pre_load("starbake"))).success
    assert time.monotonic() - started > 0.5
    assert factory(retries=0).sl_load("a", "d", "t").retry_policy is None


@pytest.mark.parametrize("code", [1, 2, 126, 127, 137])
def test_d09_a_failed_pre_load_check_fails_the_run(factory, run, fake, code):
    fake.behave("preload", exit_codes=[code])
    job = factory("pending", pre_load_check="command")
    assert not run(chained(job, job.sl_pre_load("starbake", ["Customers"]))).success
    assert not fake.calls("load")


def test_d10_the_ack_file_is_that_of_the_logical_date(factory, run, project):
    ack = project.put("pending", "2020-01-01.ack", "")
    job = factory("ack")
    config = {"ops": {"the_load": {"config": {"logical_datetime": "2020-01-01"}}}}
    assert run(chained(job, job.sl_pre_load("starbake")), run_config=config).success
    assert not ack.exists()


def test_d11_no_tables_are_no_argument(factory, run, fake):
    job = factory("imported", pre_load_check="command")
    run(chained(job, job.sl_pre_load("starbake")))
    run(job.sl_import("x", "starbake"))
    assert fake.calls()
    assert not [call for call in fake.calls() if call.verb != "load" and "--tables" in call.argv]


@pytest.mark.parametrize("name", ["my-domain", "données", "t.v"])
def test_d12_any_name_of_starlake_becomes_one_of_dagster(factory, run, name):
    job = factory("pending")
    assert run(job.sl_load(None, name, name), job.sl_transform(None, f"kpi.{name}")).success
    assert job.sl_pre_load(name).name == sanitize_id(f"{name}_pre_load")


def test_d13_two_tables_never_share_an_asset(sl_job):
    sl_job.sl_load("one", "a", "b_c")
    with pytest.raises(NameCollisionError):
        sl_job.sl_load("two", "a_b", "c")
    sl_job.sl_load("three", "A", "B_C")


def test_d14_a_load_is_one_materialization_with_its_partition(sl_job, run, fake):
    fake.behave("load", counts=(3, 3, 0))
    op = sl_job.sl_load("a", "starbake", "Customers")
    graph = GraphDefinition(name="g", node_defs=[op])
    job = JobDefinition(name="j", graph_def=graph, partitions_def=DailyPartitionsDefinition("2026-01-01"))
    (event,) = materializations(run(job, partition_key="2026-03-01"))
    assert (event.asset_key, event.partition) == (AssetKey("starbake_Customers"), "2026-03-01")
    assert event.metadata


def test_d15_without_a_root_the_current_folder_is_the_project(fake, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variables in ({}, {"SL_N": 3}, {"SL_ROOT": "s3a://bucket/project"}):
        job = StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": str(fake.path), "sl_env_var": variables})
        assert run(job.sl_load("a", "d", "t")).success
    assert {call.cwd for call in fake.calls()} == {str(tmp_path)}


def test_d16_false_is_a_value_and_the_environment_names_options_in_upper_case_only(monkeypatch):
    monkeypatch.setenv("retries", "9")
    monkeypatch.setenv("SL_STARLAKE_PATH", "/from/the/environment")
    job = StarlakeDagsterShellJob(options={"retry_delay": 0})
    assert (job.settings.retries, job.settings.retry_delay) == (0, 0)
    assert job.settings.SL_STARLAKE_PATH == "/from/the/environment"
    assert job.get_context_var("load_dependencies", "False", {"load_dependencies": True}).lower() == "true"
    assert job.get_context_var("x", 5, {"x": 0}) == 0


def test_d17_the_hook_of_the_module_is_called(monkeypatch):
    module = type(sys)("a_generated_file")
    module.get_spark_config = lambda name, **properties: StarlakeSparkConfig(f"{len(name)}g", **properties)
    monkeypatch.setitem(sys.modules, "a_generated_file", module)
    job = StarlakeDagsterShellJob(filename="a_generated_file.py", module_name="a_generated_file")
    assert job.get_spark_config("four").memory == "4g"


def test_d18_a_load_leaves_few_records_and_no_warning(sl_job, run, shared_instance):
    result = run(sl_job.sl_load("a", "starbake", "Customers"))
    records = [
        entry
        for entry in shared_instance.all_logs(result.run_id)
        if entry.step_key == "a" and "initialization of resources" not in entry.user_message
    ]
    assert 0 < len(records) <= 6
    assert not [entry for entry in records if entry.level >= 30]


def test_d19_all_ops_of_a_run_have_one_logical_date(factory, run, fake):
    fake.behave("load", sleep=0.4)
    job = factory(timezone="America/New_York")
    loads = [job.sl_load(None, "starbake", f"t{number}") for number in range(4)]
    assert run(*loads).success
    assert len({call.value_of("--scheduledDate") for call in fake.calls()}) == 1
    fake.forget()
    config = {"ops": {loads[0].name: {"config": {"logical_datetime": "2026-03-01T00:00:00"}}}}
    assert run(*loads, run_config=config).success
    assert {call.value_of("--scheduledDate") for call in fake.calls()} == {"2026-03-01T05:00:00+0000"}


def test_d20_the_output_of_a_command_is_no_value_of_the_op_and_may_be_any_bytes(run, project, tmp_path, capfd):
    script = tmp_path / "starlake"
    script.write_text(
        "#!/bin/sh\nprintf 'caf\\351 not UTF-8\\n'\nhead -c 3000000 /dev/zero | tr '\\0' x | fold -w 1000\n"
    )
    script.chmod(0o755)
    job = StarlakeDagsterShellJob(
        options={"SL_STARLAKE_PATH": str(script), "sl_env_var": {"SL_ROOT": str(project.root)}}
    )
    result = run(job.sl_load("a", "starbake", "Customers"))
    assert result.success
    assert len(result.output_for_node("a")) < 100
    assert "caf\\xe9 not UTF-8" in capfd.readouterr().out


def test_d21_options_of_the_run_are_data_and_reach_loads_too(sl_job, run, fake):
    config = {"ops": {"a": {"config": {"options": {"x": "$(id)"}}}}}
    assert run(sl_job.sl_load("a", "starbake", "Customers"), run_config=config).success
    assert fake.calls()[0].options == {"x": "$(id)"}


def test_d22_an_interrupted_run_leaves_no_process(project, tmp_path):
    """Other signals: tests/dagster/dev/test_worker_signals.py."""
    pid_file = tmp_path / "pid"
    script = tmp_path / "starlake"
    script.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > {pid_file}\nwait\n")
    script.chmod(0o755)
    program = f"""
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from dagster import GraphDefinition
variables = {{"SL_ROOT": {str(project.root)!r}}}
job = StarlakeDagsterShellJob(options={{"SL_STARLAKE_PATH": {str(script)!r}, "sl_env_var": variables}})
GraphDefinition(name="g", node_defs=[job.sl_load("a", "starbake", "Customers")]).execute_in_process()
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        (sleeper,) = wait_for("the command", lambda: whole_lines(pid_file))
        assert is_alive(int(sleeper))
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        wait_until_gone(int(sleeper))
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["my-dag", "sales.v2", "1st dag"])
def test_o02_the_name_of_any_file_becomes_the_name_of_a_job(sl_job, run, name):
    graph = GraphDefinition(name=sanitize_id(name), node_defs=[sl_job.dummy_op("start")])
    assert run(JobDefinition(name=sanitize_id(name), graph_def=graph)).success


def test_o03_names_that_collide_are_an_error_that_names_both(sl_job):
    sl_job.sl_load(None, "a", "b_c", asset="one")
    with pytest.raises(NameCollisionError, match="--domains a --tables b_c") as caught:
        sl_job.sl_load(None, "a_b", "c", asset="two")
    assert "--domains a_b --tables c" in str(caught.value)
    sl_job.sl_load(None, "x", "t")
    sl_job.sl_load(None, "load_x", "t")
    sl_job.sl_load(None, "start", "t")


def test_o04_a_run_of_a_schedule_is_for_the_time_of_its_tick(sl_job, run, fake):
    job = JobDefinition(
        name="j", graph_def=GraphDefinition("g", node_defs=[sl_job.sl_load("a", "starbake", "Customers")])
    )
    schedule = ScheduleDefinition(job=job, cron_schedule="0 0 * * *")
    tick = schedule.evaluate_tick(
        build_schedule_context(scheduled_execution_time=datetime(2026, 3, 1, tzinfo=timezone.utc))
    )
    (request,) = tick.run_requests
    # what the daemon adds to the tags of the request
    tags = {**request.tags, ".dagster/scheduled_execution_time": "2026-03-01T00:00:00+00:00"}
    assert run(job, run_config=request.run_config, tags=tags).success
    assert fake.calls()[0].value_of("--scheduledDate") == "2026-03-01T00:00:00+0000"


def sensor_of(keys):
    def decide(context):
        return RunRequest() if all(context.latest_materialization_records_by_key().values()) else None

    return MultiAssetSensorDefinition(
        name="a_sensor", monitored_assets=[AssetKey(key) for key in keys], asset_materialization_fn=decide, job_name="j"
    )


def tick_of(keys, instance, job):
    definitions = Definitions(jobs=[job], sensors=[sensor_of(keys)])
    context = build_multi_asset_sensor_context(
        monitored_assets=[AssetKey(key) for key in keys],
        instance=instance,
        repository_def=definitions.get_repository_def(),
    )
    return sensor_of(keys)(context)


def test_o05_a_sensor_on_the_names_of_the_tables_fires(sl_job, run, fake):
    fake.behave("load", counts=(3, 3, 0))
    keys = [sanitize_id("starbake.Customers"), sanitize_id("kpi.LifeTimeValue")]
    job = JobDefinition(name="j", graph_def=GraphDefinition("g", node_defs=[sl_job.dummy_op("start")]))
    with DagsterInstance.ephemeral() as instance:
        assert tick_of(keys, instance, job) is None
        loads = sl_job.sl_load(None, "starbake", "Customers"), sl_job.sl_transform(None, "kpi.LifeTimeValue")
        assert run(*loads, instance=instance).success
        assert isinstance(tick_of(keys, instance, job), RunRequest)


def test_o06_events_from_before_do_not_break_a_sensor(sl_job):
    key = "starbake_Customers"
    job = JobDefinition(name="j", graph_def=GraphDefinition("g", node_defs=[sl_job.dummy_op("start")]))
    with DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(AssetMaterialization(AssetKey(key)))
        assert isinstance(tick_of([key], instance, job), RunRequest)


def test_o11_the_tables_of_a_set_come_in_a_settled_order():
    class Tables(set):
        """A set in an order as the hash values of another process might make it."""

        def __init__(self, order):
            super().__init__(order)
            self.order = order

        def __iter__(self):
            return iter(self.order)

    class Job(StarlakeDagsterShellJob):
        def sl_job(self, task_id, arguments, *args, **kwargs):
            made.add(" ".join(arguments))

    made: set[str] = set()
    for order in itertools.permutations(["orders", "customers", "products", "stores"]):
        Job().sl_import(None, "d", Tables(order))
    assert made == {"stage --domains d --tables customers,orders,products,stores"}


def test_m03_options_of_a_run_are_found_by_the_name_of_the_task(sl_job, run, fake):
    config = {"ops": {"k_v_task": {"config": {"options": {"k.v": {"x": "1"}, "other.task": {"y": "2"}}}}}}
    assert run(sl_job.sl_transform("k_v_task", "k.v"), run_config=config).success
    assert fake.calls()[0].options == {"x": "1"}


def test_m04_a_dry_run_records_no_materialization(sl_job, run, fake):
    result = run(
        sl_job.sl_load("a", "starbake", "Customers"),
        sl_job.dummy_op("b", asset="pipeline"),
        tags={"starlake/dry_run": "true"},
    )
    assert result.success
    assert materializations(result) == []
    assert fake.calls() == []


def test_m07_an_unknown_option_is_warned_of():
    with pytest.warns(StarlakeOptionWarning, match="did you mean pre_load_strategy"):
        StarlakeDagsterShellJob(options={"preload_strategy": "ack"})


def test_m08_invalid_json_names_the_option():
    with pytest.raises(StarlakeError, match="option sl_env_var"):
        StarlakeDagsterShellJob(options={"sl_env_var": "{not json"})


def test_every_defect_has_its_test():
    ids = [f"d{number:02}" for number in range(1, 23)]
    ids += ["o02", "o03", "o04", "o05", "o06", "o11", "m03", "m04", "m07", "m08"]
    found = {name.split("_")[1] for name in globals() if name.startswith("test_")}
    assert set(ids) <= found
