"""Pre-load checks: what they look at, what they decide, and that a failure is never a skip."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    DependencyDefinition,
    GraphDefinition,
    In,
    JobDefinition,
    ReexecutionOptions,
    execute_job,
)
from dagster._core.definitions.reconstruct import ReconstructableJob

from ai.starlake.common import StarlakeError

FILES = {"imported": "incoming", "pending": "stage"}


@pytest.fixture
def chain(factory):
    """A job: start, the pre-load check of the domain, and the load of a table where it says so."""

    def make(strategy, tables=(), **options):
        job = factory(strategy, **options)
        pre_load = job.sl_pre_load("starbake", tables)
        load = job.sl_load("the_load", "starbake", "Customers", ins={"domain": In(str)})
        skip = job.dummy_op("the_skip", ins={"skipped": In(str)})
        graph = GraphDefinition(
            name="chain",
            node_defs=[job.dummy_op("start"), pre_load, load, skip],
            dependencies={
                pre_load.name: {"domain": DependencyDefinition("start")},
                "the_load": {"domain": DependencyDefinition(pre_load.name, "load_domain")},
                "the_skip": {"skipped": DependencyDefinition(pre_load.name, "skipped")},
            },
        )
        return JobDefinition(name="chain_job", graph_def=graph)

    return make


def outcome(result):
    """What became of the run: loaded, skipped or failed."""
    if not result.success:
        return "failed"
    kinds = {event.step_key: event.event_type_value for event in result.all_events if event.step_key}
    loaded, skipped = (kinds[step] == "STEP_SUCCESS" for step in ("the_load", "the_skip"))
    assert loaded != skipped, "exactly one of the two outputs is yielded"
    return "loaded" if loaded else "skipped"


class TestGraph:
    @pytest.mark.parametrize(
        ("strategy", "ops"),
        [
            ("imported", ["starbake_check_incoming_files", "starbake_import"]),
            ("pending", ["starbake_check_pending_files"]),
            ("ack", ["starbake_check_ack_file"]),
        ],
    )
    def test_its_shape(self, factory, strategy, ops):
        graph = factory(strategy).sl_pre_load("starbake")
        assert isinstance(graph, GraphDefinition)
        assert graph.name == "starbake_pre_load"
        assert sorted(node.name for node in graph.nodes) == ops
        assert list(graph.input_dict) == ["domain"]
        assert list(graph.output_dict) == ["load_domain", "skipped"]

    def test_there_is_none_for_the_strategy_none(self, factory):
        assert factory().sl_pre_load("starbake") is None

    def test_arguments_of_its_ops_are_honoured(self, factory):
        graph = factory("imported").sl_pre_load(
            "starbake", retries=2, retry_delay=3, tags={"a": "b"}, pool="p", description="d", ins={"x": In(int)}
        )
        assert list(graph.input_dict) == ["x"]
        for node in graph.nodes:
            op = node.definition
            assert (op.retry_policy.max_retries, op.retry_policy.delay) == (2, 3)
            assert (op.tags["a"], op.pool, op.description) == ("b", "p", "d")

    def test_the_same_domain_can_be_asked_for_twice(self, factory):
        job = factory("pending")
        assert job.sl_pre_load("starbake").nodes[0].definition is job.sl_pre_load("starbake").nodes[0].definition

    def test_two_domains_that_become_one_name_are_an_error_that_names_both(self, factory):
        job = factory("pending")
        job.sl_pre_load("a-b")
        with pytest.raises(StarlakeError, match=r"a-b.*a\.b"):
            job.sl_pre_load("a.b")


class TestFiles:
    @pytest.mark.parametrize("strategy", ["imported", "pending"])
    @pytest.mark.parametrize("present", [True, False])
    def test_the_domain_is_loaded_when_there_is_a_file(self, chain, run, fake, project, strategy, present, logged):
        if present:
            project.put(FILES[strategy])
        result = run(chain(strategy))
        assert outcome(result) == ("loaded" if present else "skipped")
        expected = {True: {"imported": ["stage", "load"], "pending": ["load"]}[strategy], False: []}[present]
        assert [call.verb for call in fake.calls()] == expected
        assert project.files("archive") == (["customers_1.csv"] if present else [])
        assert any("domain starbake is" in line for line in logged(result))

    @pytest.mark.parametrize("area", ["pending", "stage"])
    def test_both_pending_areas_count(self, chain, run, project, area):
        project.put(area)
        assert outcome(run(chain("pending"))) == "loaded"

    def test_the_pending_area_may_be_elsewhere(self, chain, run, project, tmp_path):
        project.put("stage")
        (tmp_path / "elsewhere" / "starbake").mkdir(parents=True)
        job = chain("pending", pending_path=str(tmp_path / "elsewhere"))
        assert outcome(run(job)) == "skipped"
        (tmp_path / "elsewhere" / "starbake" / "f.csv").touch()
        assert outcome(run(job)) == "loaded"

    @pytest.mark.parametrize("path", ["{SL_ROOT}/landing/", "{{SL_ROOT}}/landing", "file://{SL_ROOT}/landing"])
    def test_the_landing_area_may_be_elsewhere(self, chain, run, project, path):
        folder = project.root / "landing" / "starbake"
        folder.mkdir(parents=True)
        job = chain("imported", incoming_path=path)
        assert outcome(run(job)) == "skipped"
        (folder / "f.csv").touch()
        assert outcome(run(job)) == "loaded"

    def test_the_datasets_may_be_elsewhere(self, chain, run, tmp_path):
        (tmp_path / "lake" / "stage" / "starbake").mkdir(parents=True)
        (tmp_path / "lake" / "stage" / "starbake" / "customers_1.csv").touch()
        assert outcome(run(chain("pending", env={"SL_DATASETS": str(tmp_path / "lake")}))) == "loaded"

    def test_files_of_other_domains_and_hidden_files_and_folders_do_not_count(self, chain, run, project):
        project.put("stage", domain="other")
        project.put("stage", name=".hidden.csv")
        (project.root / "datasets" / "stage" / "starbake" / "folder").mkdir()
        assert outcome(run(chain("pending"))) == "skipped"

    def test_files_that_a_failed_load_left_are_warned_of(self, chain, run, project, logged):
        project.put("ingesting")
        result = run(chain("pending"))
        assert outcome(result) == "skipped"
        assert any("customers_1.csv" in line and "left behind" in line for line in logged(result))


class TestFailures:
    @pytest.mark.parametrize("strategy", ["imported", "pending"])
    def test_a_file_where_the_folder_should_be(self, chain, run, project, strategy):
        folder = project.root / {"imported": "incoming", "pending": "datasets/stage"}[strategy]
        folder.mkdir(parents=True)
        (folder / "starbake").touch()
        assert outcome(run(chain(strategy))) == "failed"

    def test_a_folder_that_cannot_be_read(self, chain, run, project):
        folder = project.root / "datasets" / "stage" / "starbake"
        folder.parent.mkdir(parents=True)
        folder.symlink_to(folder)
        assert outcome(run(chain("pending"))) == "failed"

    @pytest.mark.parametrize("strategy", ["imported", "pending", "ack"])
    def test_a_project_that_does_not_exist(self, chain, run, strategy, tmp_path, failure_of):
        result = run(chain(strategy, env={"SL_ROOT": str(tmp_path / "typo")}))
        assert outcome(result) == "failed"
        assert "typo" in failure_of(result)
        assert "SL_ROOT" in failure_of(result)

    @pytest.mark.parametrize("strategy", ["imported", "pending", "ack"])
    def test_a_working_folder_that_is_no_project(self, chain, run, strategy, tmp_path, failure_of, monkeypatch):
        """Without SL_ROOT the working folder counts; that it has no files would tell nothing."""
        monkeypatch.chdir(tmp_path)
        result = run(chain(strategy, env={"SL_ROOT": ""}))
        assert outcome(result) == "failed"
        assert f"the working folder {tmp_path} is not a Starlake project" in failure_of(result)
        (tmp_path / "metadata").mkdir()
        assert outcome(run(chain(strategy, env={"SL_ROOT": ""}))) == "skipped"

    @pytest.mark.parametrize(("strategy", "option"), [("imported", "incoming_path"), ("pending", "pending_path")])
    def test_a_working_folder_that_does_not_matter(self, chain, run, strategy, option, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert outcome(run(chain(strategy, env={"SL_ROOT": ""}, **{option: "/elsewhere"}))) == "skipped"

    @pytest.mark.parametrize(
        ("strategy", "option"),
        [("imported", "incoming_path"), ("pending", "pending_path"), ("ack", "global_ack_file_path")],
    )
    def test_a_path_that_refers_to_something_unknown(self, chain, run, strategy, option, failure_of):
        result = run(chain(strategy, **{option: "{SL_ROOT}/{lake}/x"}))
        assert outcome(result) == "failed"
        assert "refers to lake" in failure_of(result)

    @pytest.mark.parametrize("strategy", ["imported", "pending", "ack"])
    def test_a_kind_of_storage_that_cannot_be_reached(self, chain, run, strategy, failure_of):
        option = {"imported": "incoming_path", "pending": "pending_path", "ack": "global_ack_file_path"}[strategy]
        result = run(chain(strategy, **{option: "nosuchscheme://bucket/x"}))
        assert outcome(result) == "failed"
        assert "nosuchscheme" in failure_of(result)

    def test_a_secret_that_is_missing(self, chain, run, project):
        project.put("stage")
        assert outcome(run(chain("pending", env={"TOKEN": {"env": "NOT_SET_ANYWHERE"}}))) == "failed"

    def test_an_import_that_fails(self, chain, run, fake, project):
        project.put("incoming")
        fake.behave("stage", exit_codes=[1])
        assert outcome(run(chain("imported"))) == "failed"
        assert not fake.calls("load")

    def test_an_ack_file_that_is_a_folder(self, chain, run, project):
        (project.root / "GO.ack").mkdir()
        assert outcome(run(chain("ack", global_ack_file_path="{SL_ROOT}/GO.ack"))) == "failed"


class TestAck:
    def test_the_default_path_holds_the_logical_date_of_the_run(self, chain, run, project):
        ack = project.put("pending", "2026-03-01.ack", "")
        config = {"ops": {"the_load": {"config": {"logical_datetime": "2026-03-01"}}}}
        assert outcome(run(chain("ack"), run_config=config)) == "loaded"
        assert not ack.exists()

    def test_the_ack_of_another_day_does_not_count(self, chain, run, project):
        ack = project.put("pending", "2026-03-02.ack", "")
        config = {"ops": {"the_load": {"config": {"logical_datetime": "2026-03-01"}}}}
        assert outcome(run(chain("ack"), run_config=config)) == "skipped"
        assert ack.exists()

    @pytest.mark.parametrize(
        "template",
        [
            "{SL_DATASETS}/pending/{domain}/{{{{ds}}}}.ack",
            "{{SL_DATASETS}}/pending/{{domain}}/{{ds}}.ack",
            "{SL_DATASETS}/pending/{domain}/{ds}.ack",
            "{{ SL_DATASETS }}/pending/{{ domain }}/{{ ds }}.ack",
        ],
    )
    def test_templates_are_filled_in_however_they_are_written(self, chain, run, project, template):
        project.put("pending", "2026-03-01.ack", "")
        config = {"ops": {"the_load": {"config": {"logical_datetime": "2026-03-01"}}}}
        assert outcome(run(chain("ack", global_ack_file_path=template), run_config=config)) == "loaded"

    def test_it_is_waited_for(self, chain, run, project):
        ack = project.root / "GO.ack"
        timer = threading.Timer(0.5, ack.touch)
        timer.start()
        try:
            result = run(chain("ack", global_ack_file_path=str(ack), ack_wait_timeout=20))
        finally:
            timer.join()
        assert outcome(result) == "loaded"
        assert not ack.exists()

    def test_the_wait_ends(self, chain, run):
        started = time.monotonic()
        assert outcome(run(chain("ack", ack_wait_timeout=0.3, ack_poll_interval=60))) == "skipped"
        assert 0.3 < time.monotonic() - started < 30

    def test_a_timeout_of_zero_looks_once(self, chain, run, project):
        job = chain("ack", ack_wait_timeout=0, ack_poll_interval=60, global_ack_file_path="{SL_ROOT}/GO.ack")
        started = time.monotonic()
        assert outcome(run(job)) == "skipped"
        assert time.monotonic() - started < 30
        (project.root / "GO.ack").touch()
        assert outcome(run(job)) == "loaded"

    def test_of_two_runs_at_once_one_loads(self, project, fake):
        ack = project.root / "GO.ack"
        ack.touch()
        program = """
import sys
from dagster import DependencyDefinition, GraphDefinition
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
root, cli = sys.argv[1:]
options = {"sl_env_var": {"SL_ROOT": root}, "SL_STARLAKE_PATH": cli, "ack_wait_timeout": 1, "ack_poll_interval": 0.01}
job = StarlakeDagsterShellJob("ack", {**options, "global_ack_file_path": "{SL_ROOT}/GO.ack"})
pre_load = job.sl_pre_load("starbake")
graph = GraphDefinition(name="g", node_defs=[job.dummy_op("start", out="x"), pre_load], dependencies={
    pre_load.name: {"domain": DependencyDefinition("start", "x")}})
done = graph.execute_in_process()
events = done.filter_events(lambda event: event.is_successful_output)
outputs = [event.event_specific_data.step_output_handle.output_name for event in events]
print([name for name in outputs if name != "x"])
"""
        argv = [sys.executable, "-c", program, str(project.root), str(fake.path)]
        runs = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(2)]
        found = sorted(run.communicate(timeout=60)[0].splitlines()[-1] for run in runs)
        assert found == ["['load_domain']", "['skipped']"]


PATIENT = {"pre_load_sensor": "true", "pre_load_poke_interval": 0.05, "pre_load_timeout": 20}
HASTY = {**PATIENT, "pre_load_timeout": 0.2}


class TestSensor:
    """With `pre_load_sensor` every strategy waits for something to load."""

    @pytest.mark.parametrize("strategy", FILES)
    def test_files_are_waited_for(self, chain, run, project, strategy):
        timer = threading.Timer(0.5, lambda: project.put(FILES[strategy]))
        timer.start()
        try:
            assert outcome(run(chain(strategy, **PATIENT))) == "loaded"
        finally:
            timer.join()

    def test_the_answer_of_the_command_is_waited_for(self, chain, run, fake):
        fake.behave("preload", ready=[False, False, True])
        assert outcome(run(chain("imported", pre_load_check="command", **PATIENT))) == "loaded"
        assert len(fake.calls("preload")) == 3

    def test_an_ack_file_is_waited_for_as_long(self, chain, run, project):
        options = {**PATIENT, "ack_wait_timeout": 0, "global_ack_file_path": "{SL_ROOT}/GO.ack"}
        timer = threading.Timer(0.5, (project.root / "GO.ack").touch)
        timer.start()
        try:
            assert outcome(run(chain("ack", **options))) == "loaded"
        finally:
            timer.join()

    @pytest.mark.parametrize("strategy", [*FILES, "ack"])
    def test_nothing_by_then_is_a_failure_that_says_so(self, chain, run, strategy, failure_of):
        result = run(chain(strategy, retries=2, retry_delay=0, **HASTY))
        assert outcome(result) == "failed"
        assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
        failure = failure_of(result)
        assert "domain starbake has nothing to load" in failure
        assert "within 0.2 s" in failure
        assert "pre_load_timeout" in failure

    @pytest.mark.parametrize("strategy", [*FILES, "ack"])
    def test_or_a_skip_where_that_is_wanted(self, chain, run, strategy):
        assert outcome(run(chain(strategy, pre_load_sensor_soft_fail="true", **HASTY))) == "skipped"

    def test_the_project_is_read_once_however_often_the_files_are_looked_for(self, chain, run, project, monkeypatch):
        project.put("ingesting")
        read = []
        monkeypatch.setattr("ai.starlake.executor.recovery.stranded_files", lambda *asked: read.append(asked) or [])
        assert outcome(run(chain("pending", pre_load_sensor_soft_fail="true", **HASTY))) == "skipped"
        assert len(read) == 1


class TestCommand:
    """`pre_load_check: command` asks `starlake preload`."""

    @pytest.mark.parametrize("strategy", ["imported", "pending"])
    @pytest.mark.parametrize("present", [True, False])
    def test_its_answer_counts(self, chain, run, fake, project, strategy, present):
        if present:
            project.put(FILES[strategy])
        assert outcome(run(chain(strategy, ["Customers"], pre_load_check="command"))) == (
            "loaded" if present else "skipped"
        )
        (call,) = fake.calls("preload")
        assert call.argv[:7] == ("preload", "--domain", "starbake", "--tables", "Customers", "--strategy", strategy)
        assert not Path(call.value_of("--notReadySentinel")).exists()

    @pytest.mark.parametrize("code", [1, 2, 126, 127, 137])
    def test_a_failure_is_no_answer(self, chain, run, fake, code):
        fake.behave("preload", exit_codes=[code])
        assert outcome(run(chain("pending", ["Customers"], pre_load_check="command"))) == "failed"

    def test_a_missing_executable_is_no_answer(self, chain, run):
        assert (
            outcome(run(chain("pending", ["Customers"], pre_load_check="command", SL_STARLAKE_PATH="/no/such")))
            == "failed"
        )

    def test_the_sentinel_may_be_elsewhere(self, chain, run, fake, tmp_path):
        fake.behave("preload", ready=[False])
        folder = tmp_path / "sentinels"
        folder.mkdir()
        job = chain("imported", pre_load_check="command", pre_load_not_ready_sentinel_path=str(folder))
        assert outcome(run(job)) == "skipped"
        assert Path(fake.calls("preload")[0].value_of("--notReadySentinel")).parent == folder
        assert list(folder.iterdir()) == []

    def test_it_is_asked_for_the_ack_file_again_and_again(self, chain, run, fake, project):
        fake.behave("preload", ready=[False, False, True])
        job = chain("ack", pre_load_check="command", ack_wait_timeout=30, global_ack_file_path="{SL_ROOT}/GO.ack")
        assert outcome(run(job)) == "loaded"
        calls = fake.calls("preload")
        assert len(calls) == 3
        assert {call.value_of("--globalAckFilePath") for call in calls} == {f"{project.root}/GO.ack"}

    def test_it_consumes_the_ack_file_itself(self, chain, run, project):
        (project.root / "GO.ack").touch()
        assert outcome(run(chain("ack", pre_load_check="command", global_ack_file_path="{SL_ROOT}/GO.ack"))) == "loaded"
        assert not (project.root / "GO.ack").exists()

    def test_versions_that_cannot_tell_are_refused(self, factory):
        with pytest.raises(StarlakeError, match="pre_load_check"):
            factory("pending", pre_load_check="command", starlake_version="1.5.14").sl_pre_load("starbake")

    def test_pending_without_tables_is_refused(self, factory):
        """The command answers yes then, whatever is there."""
        with pytest.raises(StarlakeError, match="pass the tables to sl_pre_load"):
            factory("pending", pre_load_check="command").sl_pre_load("starbake")

    def test_no_tables_are_no_argument(self, chain, run, fake):
        run(chain("imported", pre_load_check="command"))
        assert "--tables" not in fake.calls("preload")[0].argv

    def test_the_raw_command_can_be_asked_too(self, factory, run, fake):
        fake.behave("preload", ready=[False])
        job = factory()
        check = job.sl_job("check", ["preload", "--domain", "starbake", "--strategy", "pending"], skip_or_start=True)
        then = job.dummy_op("then", ins={"start": In(str)})
        graph = GraphDefinition(
            name="g", node_defs=[check, then], dependencies={"then": {"start": DependencyDefinition("check")}}
        )
        result = run(JobDefinition(name="j", graph_def=graph))
        assert result.success
        kinds = {event.step_key: event.event_type_value for event in result.all_events if event.step_key}
        assert kinds["then"] == "STEP_SKIPPED"


def test_a_dry_run_takes_every_domain_as_ready(chain, run, fake):
    result = run(chain("ack"), tags={"starlake/dry_run": "true"})
    assert outcome(result) == "loaded"
    assert fake.calls() == []


JOB_FILE = """
from dagster import DependencyDefinition, GraphDefinition, In, JobDefinition, in_process_executor
from ai.starlake.dagster.shell import StarlakeDagsterShellJob

job = StarlakeDagsterShellJob(
    {strategy!r},
    {{
        "sl_env_var": {{"SL_ROOT": {root!r}}},
        "SL_STARLAKE_PATH": {cli!r},
        "ack_wait_timeout": 0,
        "global_ack_file_path": {root!r} + "/GO.ack",
    }},
)
pre_load = job.sl_pre_load("starbake")
load = job.sl_load("the_load", "starbake", "Customers", ins={{"domain": In(str)}})
skip = job.dummy_op("the_skip", ins={{"skipped": In(str)}})
graph = GraphDefinition(
    name="chain",
    node_defs=[job.dummy_op("start"), pre_load, load, skip],
    dependencies={{
        pre_load.name: {{"domain": DependencyDefinition("start")}},
        "the_load": {{"domain": DependencyDefinition(pre_load.name, "load_domain")}},
        "the_skip": {{"skipped": DependencyDefinition(pre_load.name, "skipped")}},
    }},
)
chain = JobDefinition(name="chain_job", graph_def=graph, executor_def=in_process_executor)
"""


class TestReExecution:
    """A load that failed leaves its files in the ingesting area; to execute the run again must load them."""

    @pytest.fixture
    def instance(self, tmp_path):
        (tmp_path / "dagster").mkdir()
        with DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
            yield instance

    @pytest.fixture
    def job_file(self, tmp_path, project, fake):
        def write(strategy):
            file = tmp_path / "chain.py"
            file.write_text(JOB_FILE.format(strategy=strategy, root=str(project.root), cli=str(fake.path)))
            return ReconstructableJob.for_file(str(file), "chain")

        return write

    @pytest.fixture(params=["imported", "pending", "ack"])
    def failed(self, request, instance, project, fake, job_file):
        job = job_file(request.param)
        fake.behave("load", exit_codes=[1])
        project.put("incoming" if request.param == "imported" else "stage")
        (project.root / "GO.ack").touch()
        with execute_job(job, instance=instance) as result:
            assert not result.success
        assert project.files("ingesting") == ["customers_1.csv"]
        return job, result.run_id

    def again(self, instance, job, run_id, how):
        options = (
            ReexecutionOptions.from_failure(run_id, instance)
            if how == "from failure"
            else ReexecutionOptions(parent_run_id=run_id)
        )
        with execute_job(job, instance=instance, reexecution_options=options) as result:
            return result

    @pytest.mark.parametrize("how", ["all steps", "from failure"])
    def test_the_file_is_loaded(self, instance, failed, project, fake, how):
        fake.behave("load")
        assert self.again(instance, *failed, how).success
        assert project.files("ingesting") == []
        assert project.files("archive") == ["customers_1.csv"]

    def test_it_is_loaded_after_two_failures_too(self, instance, failed, project, fake):
        second = self.again(instance, *failed, "from failure")
        assert not second.success
        fake.behave("load")
        assert self.again(instance, failed[0], second.run_id, "all steps").success
        assert project.files("archive") == ["customers_1.csv"]

    def test_the_logical_date_is_that_of_the_first_run(self, instance, failed, fake):
        time.sleep(1.1)
        fake.behave("load")
        self.again(instance, *failed, "from failure")
        first, second = (call.value_of("--scheduledDate") for call in fake.calls("load"))
        assert first == second

    def test_a_skip_is_looked_at_again(self, instance, project, job_file):
        job = job_file("pending")
        with execute_job(job, instance=instance) as result:
            assert outcome(result) == "skipped"
        project.put("stage")
        assert outcome(self.again(instance, job, result.run_id, "all steps")) == "loaded"
