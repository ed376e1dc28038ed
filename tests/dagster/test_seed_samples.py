"""The samples that the documentation of starlake-dagster shows: they load, and run as they say.

The load sample is verbatim but for its paths. The transform sample calls a function `spark_config` that it does not
define; the tests write `sl_job.get_spark_config` there, as docs/first-hour/starlake-dagster.md tells
users to do.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    MultiAssetSensorDefinition,
    RunRequest,
    SkipReason,
    build_multi_asset_sensor_context,
)

from tests.dagster.run_configs import config_file

SEED = Path(__file__).parent / "seed"
LOADS = [
    f"starbake.starbake_load.starbake_{table}_load" for table in ("Customers", "Ingredients", "Orders", "Products")
]
TABLES = ["Customers", "Ingredients", "Orders", "Products"]


def written(sample: str, folder: Path, root: Path, executable: Path, changes: dict[str, str]) -> Path:
    """Return the sample as a file, its paths replaced."""
    text = (SEED / f"{sample}.py.txt").read_text(encoding="utf-8")
    paths = {"/starlake/samples/starbake": str(root), "/starlake/starlake.sh": str(executable)}
    for old, new in {**paths, **changes}.items():
        assert old in text
        text = text.replace(old, new)
    file = folder / f"starbake_{sample}.py"
    file.write_text(text, encoding="utf-8")
    return file


def definitions_of(file: Path) -> Definitions:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # the transform sample looks itself up
    spec.loader.exec_module(module)
    return module.defs


def dagster(*arguments, **variables):
    command = [sys.executable, "-W", "ignore", "-m", "dagster", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=240, env={**os.environ, **variables}
    )


def steps(result):
    """Return the last event of each step, by its name."""
    return {event.step_key: event.event_type_value for event in result.all_events if event.step_key}


@pytest.fixture
def load_sample(tmp_path, project, fake):
    def write(strategy, **changes):
        return written("load", tmp_path, project.root, fake.path, {"'ack'": f"'{strategy}'", **changes})

    return write


@pytest.fixture
def transform_sample(tmp_path, project, fake):
    def write(*, load_dependencies=None):
        changes = {"=spark_config(": "=sl_job.get_spark_config("}
        if load_dependencies is not None:
            changes["options = {"] = f"options = {{\n    'load_dependencies': '{load_dependencies}',"
        return written("transform", tmp_path, project.root, fake.path, changes)

    return write


def quick_ack(file: Path, path: Path) -> Path:
    """With an ack file of its own, and no hour of waiting for it."""
    text = file.read_text(encoding="utf-8").replace(
        "options = {", f"options = {{\n    'ack_wait_timeout': 0,\n    'global_ack_file_path': '{path}',", 1
    )
    file.write_text(text, encoding="utf-8")
    return file


class TestDefinitions:
    def test_the_load_sample_is_valid_as_it_stands(self, load_sample):
        done = dagster("definitions", "validate", "-f", load_sample("ack"))
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("load_dependencies", [None, True])
    def test_the_transform_sample_is_valid_once_changed_as_the_docs_say(self, transform_sample, load_dependencies):
        Definitions.validate_loadable(definitions_of(transform_sample(load_dependencies=load_dependencies)))

    @pytest.mark.parametrize("strategy", ["none", "imported", "pending", "ack"])
    def test_the_load_sample_has_a_job_and_a_schedule(self, load_sample, strategy):
        repository = definitions_of(load_sample(strategy)).get_repository_def()
        repository.load_all_definitions()
        assert repository.has_job("starbake_load")
        assert [schedule.cron_schedule for schedule in repository.schedule_defs] == ["0 0 * * *"]


class TestLoads:
    @pytest.mark.parametrize("present", [True, False])
    @pytest.mark.parametrize("strategy", ["none", "imported", "pending", "ack"])
    def test_what_runs_and_what_is_skipped(self, load_sample, project, fake, shared_instance, strategy, present):
        ack = project.root / "GO.ack"
        for area in ("incoming", "stage"):
            project.put(area, ".keep")
        if present:
            ack.touch()
            for table in TABLES:
                project.put("incoming" if strategy == "imported" else "stage", f"{table.lower()}_1.csv")
        file = quick_ack(load_sample(strategy), ack)
        job = definitions_of(file).get_repository_def().get_job("starbake_load")
        result = job.execute_in_process(instance=shared_instance)
        assert result.success
        loaded = present or strategy == "none"
        kinds = steps(result)
        expected = "STEP_SUCCESS" if loaded else "STEP_SKIPPED"
        assert {kinds[step] for step in LOADS} == {expected}
        assert kinds["starbake.starbake_load.starbake_load_ended"] == expected
        assert (kinds["start"], kinds["end"]) == ("STEP_SUCCESS", "STEP_SUCCESS")
        verbs = [call.verb for call in fake.calls()]
        assert verbs == ["stage"] * (loaded and strategy == "imported") + ["load"] * 4 * loaded
        assert sorted(call.value_of("--tables") for call in fake.calls("load")) == (TABLES if loaded else [])
        assert {call.cwd for call in fake.calls()} <= {str(project.root)}
        materialized = {event.asset_key for event in result.get_asset_materialization_events()}
        assert materialized == ({AssetKey(f"starbake_{table}") for table in TABLES} if present else set())
        if present:
            assert project.files("archive") == [f"{table.lower()}_1.csv" for table in TABLES]
        assert ack.exists() == (present and strategy != "ack")

    def test_a_failed_load_fails_the_run(self, load_sample, project, fake, shared_instance):
        fake.behave("load", exit_codes=[1])
        job = definitions_of(load_sample("none")).get_repository_def().get_job("starbake_load")
        result = job.execute_in_process(instance=shared_instance, raise_on_error=False)
        assert not result.success
        assert "end" not in {event.step_key for event in result.all_events if event.event_type_value == "STEP_SUCCESS"}

    @pytest.mark.slow
    def test_it_runs_in_processes_of_its_own(self, load_sample, project, fake, tmp_path):
        for table in TABLES:
            project.put("incoming", f"{table.lower()}_1.csv")
        home = tmp_path / "home"
        home.mkdir()
        what = ("-f", load_sample("imported"), "-j", "starbake_load", "-c", config_file(tmp_path))
        done = dagster("job", "execute", *what, DAGSTER_HOME=str(home))
        assert done.returncode == 0, done.stderr
        assert [call.verb for call in fake.calls()] == ["stage"] + ["load"] * 4
        assert len({call.value_of("--scheduledDate") for call in fake.calls("load")}) == 1
        with DagsterInstance.from_config(str(home)) as instance:
            (run,) = instance.get_runs()
            assert run.is_success
            assert instance.get_latest_materialization_event(AssetKey("starbake_Orders")) is not None


class TestTransforms:
    MONITORED = ("Customers_CustomerLifeTimeValue", "starbake_Customers", "starbake_Orders")

    def evaluate(self, definitions, instance):
        repository = definitions.get_repository_def()
        (sensor,) = repository.sensor_defs
        assert isinstance(sensor, MultiAssetSensorDefinition)
        context = build_multi_asset_sensor_context(
            monitored_assets=[AssetKey(name) for name in self.MONITORED],
            instance=instance,
            repository_def=repository,
        )
        return sensor(context)

    def test_the_sensor_fires_when_all_it_needs_was_loaded(self, load_sample, transform_sample, project, fake):
        fake.behave("load", counts=(3, 3, 0))
        definitions = definitions_of(transform_sample())
        with DagsterInstance.ephemeral() as instance:
            assert isinstance(self.evaluate(definitions, instance), SkipReason)
            loads = definitions_of(load_sample("none")).get_repository_def().get_job("starbake_load")
            assert loads.execute_in_process(instance=instance).success
            waiting = self.evaluate(definitions, instance)
            assert isinstance(waiting, SkipReason)
            assert "not for ['Customers_CustomerLifeTimeValue']" in str(waiting.skip_message)
            factory = definitions_of(transform_sample(load_dependencies=True))
            assert (
                factory.get_repository_def().get_job("starbake_transform").execute_in_process(instance=instance).success
            )
            assert isinstance(self.evaluate(definitions, instance), RunRequest)
            fake.forget()
            job = definitions.get_repository_def().get_job("starbake_transform")
            assert job.execute_in_process(instance=instance).success
        assert [call.value_of("--name") for call in fake.calls("transform")] == ["Customers.HighValueCustomers"]

    def test_with_its_dependencies_it_runs_all_in_order(self, transform_sample, fake, shared_instance):
        fake.behave("load", counts=(3, 3, 0))
        definitions = definitions_of(transform_sample(load_dependencies=True))
        assert not list(definitions.get_repository_def().sensor_defs)
        job = definitions.get_repository_def().get_job("starbake_transform")
        result = job.execute_in_process(instance=shared_instance)
        assert result.success
        ran = [call.value_of("--name") or call.value_of("--tables") for call in fake.calls()]
        assert sorted(ran[:2]) == ["Customers", "Orders"]
        assert ran[2:] == ["Customers.CustomerLifeTimeValue", "Customers.HighValueCustomers"]
        assert {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()} == {
            *self.MONITORED,
            "Customers_HighValueCustomers",
        }


@pytest.mark.slow
class TestWithTheEmbeddedEngine:
    """The samples on the sample project, from delivered files to rows."""

    @pytest.fixture
    def bakery(self, tmp_path):
        root = tmp_path / "bakery"
        shutil.copytree(Path(__file__).parents[2] / "samples" / "starbake", root)
        return root

    def test_delivered_files_become_rows_and_the_transforms_run(self, bakery, tmp_path, shared_instance):
        executable = Path(sys.executable).with_name("starlake-embedded")
        changes = {"'ack'": "'imported'"}
        loads = definitions_of(written("load", tmp_path, bakery, executable, changes)).get_repository_def()
        result = loads.get_job("starbake_load").execute_in_process(instance=shared_instance)
        assert result.success
        counts = {
            event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata[
                "starlake/rows_accepted"
            ].value
            for event in result.get_asset_materialization_events()
        }
        assert set(counts) == {f"starbake_{table}" for table in TABLES}
        assert min(counts.values()) > 0
        changes = {
            "=spark_config(": "=sl_job.get_spark_config(",
            "options = {": "options = {'load_dependencies': 'True',",
        }
        transforms = definitions_of(written("transform", tmp_path, bakery, executable, changes)).get_repository_def()
        assert transforms.get_job("starbake_transform").execute_in_process(instance=shared_instance).success
        with duckdb.connect(str(bakery / "datasets" / "duckdb.db"), read_only=True) as database:
            rows = {
                table: database.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0]
                for table in ("starbake.Customers", "Customers.CustomerLifeTimeValue", "Customers.HighValueCustomers")
            }
        assert rows["starbake.Customers"] > 0
        assert rows["Customers.CustomerLifeTimeValue"] > 0
