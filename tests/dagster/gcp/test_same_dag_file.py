"""One DAG file, three executors: only the class of the jobs and its options change, and the tables are the same."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
from dagster import DagsterInstance

from starlake_gcp_emulator import GcpEmulator
from tests.dagster.run_configs import config_file

REPOSITORY = Path(__file__).resolve().parents[3]
SEED = REPOSITORY / "tests" / "dagster" / "seed" / "load.py.txt"
EXECUTABLE = str(Path(sys.executable).with_name("starlake-embedded"))
PROJECT, REGION = "my-project", "europe-west1"
FROM_SHELL = "from ai.starlake.dagster.shell import StarlakeDagsterShellJob"
CLASSES = {
    "shell": FROM_SHELL,
    "dataproc": "from ai.starlake.dagster.gcp import StarlakeDagsterDataprocJob",
    "cloud_run": "from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob",
}
VOLATILE = {"JOBID", "TIMESTAMP", "DURATION", "PATHS", "SCHEDULED_DATE", "ERROR", "PATH"}


@pytest.fixture
def gcp() -> Iterator[GcpEmulator]:
    with GcpEmulator() as emulator:
        emulator.add_job(f"projects/{PROJECT}/locations/{REGION}/jobs/starlake", max_retries=0)
        yield emulator


@pytest.fixture
def options(gcp: GcpEmulator) -> dict[str, dict[str, Any]]:
    shared = {"storage_endpoint": gcp.storage_endpoint, "poll_interval": 0.1}
    spark = {"dataproc_project_id": PROJECT, "spark_bucket": "my-bucket", "spark_jar_list": "gcs://jars/starlake.jar"}
    run = {"cloud_run_project_id": PROJECT, "cloud_run_job_name": "starlake"}
    return {
        "shell": {"SL_STARLAKE_PATH": EXECUTABLE},
        "dataproc": {**shared, **spark, "dataproc_endpoint": gcp.endpoint},
        "cloud_run": {**shared, **run, "cloud_run_endpoint": gcp.endpoint},
    }


def with_class(text: str, kind: str, options: dict[str, Any]) -> str:
    """Return a DAG file for another executor, whose options come after all others."""
    assert text.count(FROM_SHELL) == 1
    changed = text.replace(FROM_SHELL, CLASSES[kind])
    name = CLASSES[kind].rpartition(" ")[2]
    changed = "\n".join(line for line in changed.splitlines() if "SL_STARLAKE_PATH" not in line)
    return changed.replace("StarlakeDagsterShellJob(options=options", f"{name}(options={{**options, **{options!r}}}")


def sample(name: str) -> str:
    return (REPOSITORY / "samples" / "dags" / f"{name}.py").read_text(encoding="utf-8")


def project(folder: Path) -> Path:
    return Path(shutil.copytree(REPOSITORY / "samples" / "starbake", folder, ignore=shutil.ignore_patterns("datasets")))


def imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(file: Path, job: str, instance: DagsterInstance) -> None:
    """Run a job of a DAG file in this process."""
    definition = imported(file).defs.get_repository_def().get_job(job)
    result = definition.execute_in_process(instance=instance, raise_on_error=False)
    assert result.success, [event.message for event in result.all_events if event.is_failure]


def tables(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every table, without what differs from run to run."""
    with duckdb.connect(str(root / "datasets" / "duckdb.db"), read_only=True) as connection:
        columns: dict[str, list[str]] = {}
        for schema, table, column in connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns ORDER BY ALL"
        ).fetchall():
            kept = columns.setdefault(f'"{schema}"."{table}"', [])
            kept += [f'"{column}"'] if column.upper() not in VOLATILE else []
        return {
            table: sorted(connection.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall(), key=repr)
            for table, names in columns.items()
        }


def written(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    return file


def sample_on(kind: str, folder: Path, options: dict[str, Any], instance: DagsterInstance) -> dict[str, Any]:
    """Load the sample project on an executor; return its tables."""
    root = project(folder / kind / "starbake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SL_ROOT", str(root))
        file = written(folder / kind, "a_dag", with_class(sample("starbake_load"), kind, options))
        run(file, "starbake_load", instance)
    return tables(root)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the tables that the shell executor makes."""
    with DagsterInstance.ephemeral() as instance:
        found = sample_on("shell", tmp_path_factory.mktemp("shell"), {"SL_STARLAKE_PATH": EXECUTABLE}, instance)
    assert len(found) > 4
    assert all(found.values())
    return found


@pytest.mark.parametrize("kind", ["dataproc", "cloud_run"])
@pytest.mark.slow
def test_the_sample_loads_the_same_tables_wherever_it_runs(gcp, options, instance, tmp_path, reference, kind):
    assert sample_on(kind, tmp_path, options[kind], instance) == reference
    if kind == "dataproc":
        assert [job.state for job in gcp.spark_jobs] == ["DONE"] * 5
        assert [cluster.deleted_by for cluster in gcp.all_clusters] == ["request"]
    else:
        assert [execution.state for execution in gcp.executions] == ["SUCCEEDED"] * 5
    assert not gcp.clusters


def test_g05_a_run_that_finds_nothing_to_load_deletes_its_cluster(gcp, options, instance, tmp_path, monkeypatch):
    root = project(tmp_path / "starbake")
    shutil.rmtree(root / "incoming")
    (root / "incoming" / "starbake").mkdir(parents=True)
    monkeypatch.setenv("SL_ROOT", str(root))
    file = written(tmp_path / "dags", "a_dag", with_class(sample("starbake_load"), "dataproc", options["dataproc"]))
    run(file, "starbake_load", instance)
    assert gcp.spark_jobs == []
    assert [cluster.deleted_by for cluster in gcp.all_clusters] == ["request"]


def dagster(folder: Path, file: Path, job: str, **variables: str) -> None:
    """Run a job of a DAG file in processes of its own, one per step."""
    config = config_file(folder, "google.cloud.dataproc_v1", "google.cloud.run_v2", "google.cloud.storage")
    what = ["-f", file, "-j", job, "-c", config]
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "job", "execute", *what]
    home = folder / "home"
    home.mkdir()
    environment = {**os.environ, "DAGSTER_HOME": str(home), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-5000:]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dataproc", "cloud_run"])
def test_the_seeds_sample_runs_in_processes_of_its_own_with_the_class_changed(gcp, options, tmp_path, reference, kind):
    """The README's load sample, verbatim but for its paths, its class and its options."""
    root = project(tmp_path / "starbake")
    text = SEED.read_text(encoding="utf-8").replace("/starlake/samples/starbake", str(root))
    text = text.replace("'pre_load_strategy':'ack'", "'pre_load_strategy':'imported'")
    dagster(tmp_path, written(tmp_path, "seed", with_class(text, kind, options[kind])), "seed")
    assert tables(root) == reference
    assert [cluster.deleted_by for cluster in gcp.all_clusters] == ["request"] * (kind == "dataproc")


@pytest.mark.slow
def test_the_transforms_give_the_same_tables(gcp, options, instance, tmp_path, monkeypatch):
    monkeypatch.setenv("LOAD_DEPENDENCIES", "true")
    found = {}
    for kind in CLASSES:
        root = project(tmp_path / kind / "starbake")
        subprocess.run([EXECUTABLE, "stage"], env={**os.environ, "SL_ROOT": str(root)}, check=True, capture_output=True)
        monkeypatch.setenv("SL_ROOT", str(root))
        text = with_class(sample("starbake_transform"), kind, options[kind])
        run(written(tmp_path / kind, "a_dag", text), "starbake_transform", instance)
        found[kind] = tables(root)
    assert '"kpis"."DailySales"' in found["shell"]
    assert found["shell"] == found["dataproc"] == found["cloud_run"]
