"""Pre-load checks: the folders that they read, their decisions, and that a failure is never a skip."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from dagster import (
    DependencyDefinition,
    GraphDefinition,
    In,
    JobDefinition,
    ReexecutionOptions,
    execute_job,
)
from dagster._core.definitions.reconstruct import ReconstructableJob

from ai.starlake.common import StarlakeError
from tests.waiting import PATIENCE

FILES = {"imported": "incoming", "pending": "stage"}
OPTIONS = {"imported": "incoming_path", "pending": "pending_path"}


@pytest.fixture
def chain(factory):
    """Return a job: start, the pre-load check of the domain, and the load of a table where it says so."""

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
    """Return the outcome of the run: loaded, skipped or failed."""
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
        project.put(FILES[strategy], "customers_1.csv" if present else "strange.csv")
        result = run(chain(strategy))
        assert outcome(result) == ("loaded" if present else "skipped")
        expected = {True: {"imported": ["stage", "load"], "pending": ["load"]}[strategy], False: []}[present]
        assert [call.verb for call in fake.calls()] == expected
        assert project.files("archive") == (["customers_1.csv"] if present else [])
        folder = f"{project.root}/{'incoming' if strategy == 'imported' else 'datasets/stage'}/starbake"
        decision = f"will be loaded: 1 file in {folder}" if present else f"is skipped: no file in {folder}"
        assert any(line.startswith(f"domain starbake {decision}") for line in logged(result))

    @pytest.mark.parametrize("area", ["pending", "stage"])
    def test_both_pending_areas_count(self, chain, run, project, area):
        project.put(area)
        assert outcome(run(chain("pending"))) == "loaded"

    @pytest.mark.parametrize("path", ["{SL_ROOT}/lake/", "{{SL_ROOT}}/lake", "file://{SL_ROOT}/lake"])
    @pytest.mark.parametrize("strategy", FILES)
    def test_an_option_names_the_area(self, chain, run, project, strategy, path, logged):
        """Files count there; but that there is none says nothing while the project names another folder."""
        folder = project.root / "lake" / "starbake"
        folder.mkdir(parents=True)
        project.put(FILES[strategy])
        job = chain(strategy, **{OPTIONS[strategy]: path})
        assert outcome(run(job)) == "failed"
        (folder / "customers_1.csv").touch()
        result = run(job)
        assert outcome(result) == "loaded"
        assert any(f"Starlake takes files of starbake from {project.root}" in line for line in logged(result))

    @pytest.mark.parametrize("strategy", FILES)
    def test_an_option_that_names_the_folder_of_the_project(self, chain, run, project, strategy, logged):
        base = project.root / ("incoming" if strategy == "imported" else "datasets/stage")
        (project.root / "link").symlink_to(base)
        project.put(FILES[strategy], "strange.csv")
        job = chain(strategy, **{OPTIONS[strategy]: "{SL_ROOT}/link"})
        assert outcome(run(job)) == "skipped"
        project.put(FILES[strategy])
        result = run(job)
        assert outcome(result) == "loaded"
        assert not any("Starlake takes files" in line for line in logged(result))

    def test_the_datasets_may_be_elsewhere(self, chain, run, tmp_path):
        (tmp_path / "lake" / "stage" / "starbake").mkdir(parents=True)
        (tmp_path / "lake" / "stage" / "starbake" / "customers_1.csv").touch()
        assert outcome(run(chain("pending", env={"SL_DATASETS": str(tmp_path / "lake")}))) == "loaded"

    def test_files_of_other_domains_and_hidden_files_and_folders_do_not_count(self, chain, run, project):
        project.put("stage", domain="other")
        project.put("stage", name=".hidden.csv")
        (project.root / "datasets" / "stage" / "starbake" / "customers_2.csv").mkdir()
        assert outcome(run(chain("pending"))) == "skipped"

    @pytest.mark.parametrize("strategy", [*FILES, "ack"])
    def test_files_that_an_unknown_load_left_are_no_skip(self, chain, run, project, strategy, failure_of):
        project.put("ingesting")
        result = run(chain(strategy))
        assert outcome(result) == "failed"
        assert "customers_1.csv" in failure_of(result)

    @pytest.mark.parametrize("strategy", [*FILES, "ack"])
    def test_a_new_run_after_a_failed_one_loads_its_files(self, chain, run, project, fake, strategy):
        fake.behave("load", exit_codes=[1])
        project.put("stage")
        project.put(FILES.get(strategy, "stage"))
        (project.root / "GO.ack").touch()
        job = chain(strategy, global_ack_file_path=str(project.root / "GO.ack"))
        assert outcome(run(job)) == "failed"
        (project.root / "incoming" / "starbake" / "customers_1.csv").unlink(missing_ok=True)  # staged by then
        fake.behave("load")
        assert outcome(run(job)) == "loaded"
        assert project.files("archive") == ["customers_1.csv"]
        assert outcome(run(job)) == "skipped"

    def test_a_new_run_without_a_check_does_so_too(self, factory, run, project, fake):
        fake.behave("load", exit_codes=[1])
        project.put("stage")
        assert not run(factory().sl_load("a", "starbake", "Customers")).success
        assert project.files("stage") == ["customers_1.csv"]
        fake.behave("load")
        assert run(factory().sl_load("a", "starbake", "Customers")).success
        assert project.files("archive") == ["customers_1.csv"]

    @pytest.mark.parametrize("strategy", FILES)
    @pytest.mark.parametrize("tables", [("Customers",), ("Orders", "customers")])
    def test_files_of_other_tables_do_not_count(self, chain, run, project, strategy, tables, logged):
        project.put(FILES[strategy], "products_1.csv")
        result = run(chain(strategy, tables))
        assert outcome(result) == "skipped"
        assert any(f"no file of {', '.join(tables)} in" in line for line in logged(result))
        assert not any("no table" in line for line in logged(result))
        project.put(FILES[strategy])
        assert outcome(run(chain(strategy, tables))) == "loaded"

    @pytest.mark.parametrize("strategy", FILES)
    @pytest.mark.parametrize("also", [True, False])
    def test_files_that_match_no_table_are_named_and_do_not_count(self, chain, run, project, strategy, also, logged):
        project.put(FILES[strategy], "custmers_1.csv")
        if also:
            project.put(FILES[strategy])
        result = run(chain(strategy))
        assert outcome(result) == ("loaded" if also else "skipped")
        (warning,) = [line for line in logged(result) if "matches no table of the domain starbake" in line]
        assert "custmers_1.csv (nearest: the pattern customers.*.csv of the table Customers)" in warning

    def test_ack_files_count_as_they_do_for_starlake(self, chain, run, project):
        config = project.root / "metadata/load/starbake/_config.sl.yml"
        config.write_text(f"{config.read_text()}    ack: ok\n")
        project.put("incoming")
        assert outcome(run(chain("imported"))) == "skipped"
        project.put("incoming", "customers_1.ok")
        assert outcome(run(chain("imported"))) == "loaded"

    @pytest.mark.parametrize("member", ["customers_1.csv", "strange.csv"])
    def test_files_in_archives_count(self, chain, run, project, member, fake):
        folder = project.put("incoming", "strange.txt").parent
        with zipfile.ZipFile(folder / "day.zip", "w") as packed:
            packed.writestr(member, "id\n1\n")
        assert outcome(run(chain("imported"))) == ("loaded" if member == "customers_1.csv" else "skipped")

    @pytest.mark.parametrize("directory", ["landing/{{SL_ENV}}", "{{landing}}/x", "file:{{SL_ROOT}}/landing/x"])
    def test_the_project_says_where_files_land(self, chain, run, project, directory):
        """With its variables, and from its folder on, wherever Dagster runs."""
        config = project.root / "metadata/load/starbake/_config.sl.yml"
        config.write_text(f"version: 1\nload:\n  metadata:\n    directory: '{directory}'\n")
        (project.root / "metadata/env.sl.yml").write_text(f"version: 1\nenv:\n  landing: {project.root}/landing\n")
        folder = project.root / "landing/x"
        folder.mkdir(parents=True)
        job = chain("imported", env={"SL_ENV": "x"})
        assert outcome(run(job)) == "skipped"
        (folder / "customers_1.csv").touch()
        assert outcome(run(job)) == "loaded"

    def test_the_project_says_where_its_stage_area_is(self, chain, run, project, tmp_path):
        text = f"version: 1\napplication:\n  datasets: {tmp_path}/lake\n  area:\n    stage: waiting\n"
        (project.root / "metadata/application.sl.yml").write_text(text)
        folder = tmp_path / "lake/waiting/starbake"
        folder.mkdir(parents=True)
        assert outcome(run(chain("pending"))) == "skipped"
        (folder / "customers_1.csv").touch()
        assert outcome(run(chain("pending"))) == "loaded"


class TestFailures:
    @pytest.mark.parametrize("check", ["files", "command"])
    @pytest.mark.parametrize("strategy", FILES)
    def test_a_folder_that_does_not_exist_is_not_an_empty_one(self, chain, run, project, strategy, check, failure_of):
        result = run(chain(strategy, ["Customers"], pre_load_check=check, retries=2, retry_delay=0))
        assert outcome(result) == "failed"
        assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
        failure = failure_of(result)
        line = 5 if strategy == "imported" else 2
        assert f"{project.root}/metadata/load/starbake/_config.sl.yml:{line}: " in failure
        folder = f"{project.root}/{'incoming' if strategy == 'imported' else 'datasets/stage'}/starbake"
        assert folder in failure
        assert "where files of the domain starbake wait" in failure
        assert f"option {OPTIONS[strategy]}" in failure

    @pytest.mark.parametrize("strategy", FILES)
    def test_nor_is_it_where_an_option_names_it(self, chain, run, project, strategy, failure_of):
        base = project.root / ("incoming" if strategy == "imported" else "datasets/stage")
        result = run(chain(strategy, **{OPTIONS[strategy]: str(base)}))
        assert outcome(result) == "failed"
        assert f"the folder {base}/starbake, where files of the domain starbake wait, does not exist" in failure_of(
            result
        )

    @pytest.mark.parametrize("check", ["files", "command"])
    @pytest.mark.parametrize("strategy", FILES)
    def test_unless_the_project_takes_it_for_one(self, chain, run, project, strategy, check):
        job = chain(strategy, ["Customers"], pre_load_check=check, env={"SL_MISSING_FOLDERS": "empty"})
        assert outcome(run(job)) == "skipped"

    @pytest.mark.parametrize("strategy", FILES)
    def test_a_check_that_looks_elsewhere_names_both_folders(self, chain, run, project, strategy, failure_of):
        (project.root / "lake/starbake").mkdir(parents=True)
        project.put(FILES[strategy])
        failure = failure_of(run(chain(strategy, **{OPTIONS[strategy]: "{SL_ROOT}/lake"})))
        own = f"{project.root}/{'incoming' if strategy == 'imported' else 'datasets/stage'}/starbake"
        assert f"files of the domain starbake land in {own}, but the pre-load check looks in" in failure
        assert f"{project.root}/lake/starbake" in failure
        assert f"option {OPTIONS[strategy]}" in failure
        assert "_config.sl.yml:" in failure

    @pytest.mark.parametrize("strategy", FILES)
    def test_a_table_that_does_not_exist(self, chain, run, project, strategy, failure_of):
        project.put(FILES[strategy])
        failure = failure_of(run(chain(strategy, ["Custmers"])))
        assert "the table starbake.Custmers does not exist" in failure
        assert "did you mean Customers?" in failure

    def test_a_domain_that_names_no_directory(self, chain, run, project, failure_of):
        config = project.root / "metadata/load/starbake/_config.sl.yml"
        config.write_text("version: 1\nload:\n  name: starbake\n")
        assert "the domain starbake has no landing area" in failure_of(run(chain("imported")))

    def test_an_archive_that_cannot_be_read_is_not_nothing(self, chain, run, project, failure_of):
        project.put("incoming", "day.zip")
        assert "day.zip cannot be unpacked" in failure_of(run(chain("imported")))

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

    @pytest.mark.parametrize("strategy", FILES)
    def test_a_working_folder_that_is_a_project(self, chain, run, project, strategy, monkeypatch):
        monkeypatch.chdir(project.root)
        project.put(FILES[strategy])
        assert outcome(run(chain(strategy, env={"SL_ROOT": ""}))) == "loaded"

    @pytest.mark.parametrize("strategy", FILES)
    def test_a_working_folder_that_does_not_matter(self, chain, run, strategy, tmp_path, monkeypatch):
        """The folder of the option is elsewhere; every file there is ready, as no project has rules for them."""
        monkeypatch.chdir(tmp_path)
        folder = tmp_path / "elsewhere" / "starbake"
        job = chain(strategy, env={"SL_ROOT": ""}, **{OPTIONS[strategy]: f"file:{tmp_path}/./elsewhere"})
        assert outcome(run(job)) == "failed"
        folder.mkdir(parents=True)
        assert outcome(run(job)) == "skipped"
        (folder / "f.csv").touch()
        assert outcome(run(job)) == "loaded"

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
            result = run(chain("ack", global_ack_file_path=str(ack), ack_wait_timeout=120))
        finally:
            timer.join()
        assert outcome(result) == "loaded"
        assert not ack.exists()

    def test_the_wait_ends(self, chain, run):
        started = time.monotonic()
        assert outcome(run(chain("ack", ack_wait_timeout=0.3, ack_poll_interval=60))) == "skipped"
        assert 0.3 < time.monotonic() - started < 59

    def test_a_timeout_of_zero_looks_once(self, chain, run, project):
        job = chain("ack", ack_wait_timeout=0, ack_poll_interval=60, global_ack_file_path="{SL_ROOT}/GO.ack")
        started = time.monotonic()
        assert outcome(run(job)) == "skipped"
        assert time.monotonic() - started < 59
        (project.root / "GO.ack").touch()
        assert outcome(run(job)) == "loaded"

    def test_of_two_runs_at_once_one_loads(self, project, fake):
        ack = project.root / "GO.ack"
        ack.touch()
        program = """
import os, sys
from dagster import DependencyDefinition, GraphDefinition
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
root, cli = sys.argv[1:]
options = {"sl_env_var": {"SL_ROOT": root}, "SL_STARLAKE_PATH": cli, "ack_wait_timeout": 1, "ack_poll_interval": 0.01}
job = StarlakeDagsterShellJob("ack", {**options, "global_ack_file_path": "{SL_ROOT}/GO.ack"})
pre_load = job.sl_pre_load("starbake")
graph = GraphDefinition(name="g", node_defs=[job.dummy_op("start", out="x"), pre_load], dependencies={
    pre_load.name: {"domain": DependencyDefinition("start", "x")}})
GraphDefinition(name="imports", node_defs=[job.dummy_op("all")]).execute_in_process()
other = os.fork()
done = graph.execute_in_process()
events = done.filter_events(lambda event: event.is_successful_output)
outputs = [event.event_specific_data.step_output_handle.output_name for event in events]
name = root + ("/one" if other else "/other")
print(*[name for name in outputs if name != "x"], sep=",", file=open(name, "w"))
if other: os.waitpid(other, 0)
"""
        argv = [sys.executable, "-c", program, str(project.root), str(fake.path)]
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE, check=True)
        found = {(project.root / name).read_text() for name in ("one", "other")}
        assert found == {"load_domain\n", "skipped\n"}


PATIENT = {"pre_load_sensor": "true", "pre_load_poke_interval": 0.05, "pre_load_timeout": 120}
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
    def test_or_a_skip_where_that_is_wanted(self, chain, run, project, strategy):
        project.put(FILES.get(strategy, "stage"), "strange.csv")
        assert outcome(run(chain(strategy, pre_load_sensor_soft_fail="true", **HASTY))) == "skipped"


class TestCommand:
    """`pre_load_check: command` asks `starlake preload`."""

    @pytest.mark.parametrize("strategy", ["imported", "pending"])
    @pytest.mark.parametrize("present", [True, False])
    def test_its_answer_counts(self, chain, run, fake, project, strategy, present):
        project.put(FILES[strategy], "customers_1.csv" if present else "strange.csv")
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

    def test_the_sentinel_may_be_elsewhere(self, chain, run, fake, project, tmp_path):
        project.put("incoming", "strange.csv")
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

    def test_the_raw_command_can_be_asked_too(self, factory, run, fake, project):
        project.put("stage", "strange.csv")
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
    """A load that failed has put its files back; to execute the run again must load them."""

    @pytest.fixture
    def instance(self, shared_instance):
        return shared_instance

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
        assert project.files("stage") == ["customers_1.csv"]
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
        time.sleep(1.01 - time.time() % 1)  # another date would be of another second
        fake.behave("load")
        self.again(instance, *failed, "from failure")
        first, second = (call.value_of("--scheduledDate") for call in fake.calls("load"))
        assert first == second

    def test_a_skip_is_looked_at_again(self, instance, project, job_file):
        job = job_file("pending")
        project.put("stage", "strange.csv")
        with execute_job(job, instance=instance) as result:
            assert outcome(result) == "skipped"
        project.put("stage")
        assert outcome(self.again(instance, job, result.run_id, "all steps")) == "loaded"
