"""The sample DAG files: they load, and their jobs run the right commands in the right order."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    RunRequest,
    SkipReason,
    build_multi_asset_sensor_context,
)

from ai.starlake.project import Project
from ai.starlake.project.checks.project_checks import validate
from ai.starlake.project.lineage.graph import Graph

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
TABLES = ["Customers", "Ingredients", "Orders", "Products"]
TRANSFORMS = [
    "Customers.CustomerLifeTimeValue",
    "Customers.HighValueCustomers",
    "Products.ProductMargins",
    "kpis.DailySales",
]
Load = Callable[[str], ModuleType]

RECORDER = """#!/bin/sh
printf '%s ' "$@" >> "$SL_ROOT/calls"
echo >> "$SL_ROOT/calls"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the sample project, with a `starlake` that only writes down how it is called."""
    copy = tmp_path / "starbake"
    shutil.copytree(SAMPLES / "starbake", copy, ignore=shutil.ignore_patterns("datasets"))
    recorder = tmp_path / "starlake"
    recorder.write_text(RECORDER, encoding="utf-8")
    recorder.chmod(0o755)
    monkeypatch.setenv("SL_ROOT", str(copy))
    monkeypatch.setenv("SL_STARLAKE_PATH", str(recorder))
    return copy


@pytest.fixture
def load(project: Path) -> Iterator[Load]:
    """Import a DAG file again, like Dagster."""
    names: list[str] = []

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"sample_{name}", SAMPLES / "dags" / f"{name}.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        names.append(spec.name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in names:
        del sys.modules[name]


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def calls(project: Path) -> list[str]:
    """Return the commands that were run, each cut down to its verb and what it works on."""
    file = project / "calls"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [shortened(line.split()) for line in lines]


def shortened(arguments: list[str]) -> str:
    of = {name: value for name, value in pairwise(arguments) if name.startswith("--")}
    verb = arguments[0]
    if verb == "load":
        return f"load {of['--domains']}.{of['--tables']}"
    return f"{verb} {of.get('--name') or of.get('--domains')}"


def run(module: ModuleType, job: str, instance: DagsterInstance) -> ExecuteInProcessResult:
    definitions: Definitions = module.defs
    return definitions.get_job_def(job).execute_in_process(instance=instance)


@pytest.mark.parametrize("dependencies", ["true", "false"])
@pytest.mark.parametrize("name", ["starbake_load", "starbake_transform", "starbake"])
def test_each_file_is_loadable_with_a_job_of_its_name(
    load: Load, monkeypatch: pytest.MonkeyPatch, name: str, dependencies: str
) -> None:
    monkeypatch.setenv("LOAD_DEPENDENCIES", dependencies)
    definitions = load(name).defs
    Definitions.validate_loadable(definitions)
    assert definitions.get_job_def(name).name == name


def test_the_combined_job_imports_loads_and_transforms(load: Load, project: Path, instance: DagsterInstance) -> None:
    assert run(load("starbake"), "starbake", instance).success
    made = calls(project)
    assert made[0] == "stage starbake"
    assert sorted(made[1:5]) == [f"load starbake.{table}" for table in TABLES]
    assert sorted(made[5:]) == [f"transform {name}" for name in TRANSFORMS]
    assert made[-1] == "transform kpis.DailySales"
    assert made.index("transform Customers.CustomerLifeTimeValue") < made.index(
        "transform Customers.HighValueCustomers"
    )


@pytest.mark.parametrize("name", ["starbake", "starbake_load"])
def test_nothing_runs_when_nothing_was_delivered(
    load: Load, project: Path, instance: DagsterInstance, name: str
) -> None:
    shutil.rmtree(project / "incoming")
    (project / "incoming" / "starbake").mkdir(parents=True)
    assert run(load(name), name, instance).success
    assert calls(project) == []


def test_a_job_fails_with_its_command(load: Load, project: Path, instance: DagsterInstance) -> None:
    (project.parent / "starlake").write_text("#!/bin/sh\necho broken >&2\nexit 1\n", encoding="utf-8")
    job = load("starbake_load").defs.get_job_def("starbake_load")
    assert not job.execute_in_process(instance=instance, raise_on_error=False).success


def test_the_sensor_starts_the_transforms_once_after_all_loads(
    load: Load, project: Path, instance: DagsterInstance
) -> None:
    transforms = load("starbake_transform")

    def tick() -> RunRequest | SkipReason:
        result = transforms.starbake_transform_sensor(context)
        assert isinstance(result, (RunRequest, SkipReason))
        return result

    with build_multi_asset_sensor_context(
        monitored_assets=[AssetKey(f"starbake_{table}") for table in TABLES],
        instance=instance,
        definitions=transforms.defs,
    ) as context:
        assert "starbake_Orders" in str(tick())
        assert run(load("starbake_load"), "starbake_load", instance).success
        assert isinstance(tick(), RunRequest)
        assert isinstance(tick(), SkipReason)
    (project / "calls").unlink()
    assert run(transforms, "starbake_transform", instance).success
    assert sorted(calls(project)) == [f"transform {name}" for name in TRANSFORMS]


def test_the_transform_job_loads_its_tables_when_told_to(
    load: Load, project: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_DEPENDENCIES", "true")
    module = load("starbake_transform")
    assert run(module, "starbake_transform", instance).success
    made = calls(project)
    assert sorted(made) == sorted(
        [f"load starbake.{table}" for table in TABLES] + [f"transform {t}" for t in TRANSFORMS]
    )
    for table in ("Customers", "Orders"):
        assert made.index(f"load starbake.{table}") < made.index("transform Customers.CustomerLifeTimeValue")
    assert not module.defs.sensors


def test_the_files_know_the_dependencies_of_the_project(load: Load, project: Path) -> None:
    graph = Graph(Project.read(project))
    read = {task.full_name: {reference.text for reference in graph.references(task)} for task in graph.tasks.values()}
    assert {name: set(reads) for name, reads in load("starbake").TRANSFORMS.items()} == read

    def visit(node: dict[str, Any]) -> None:
        children = node.get("children", [])
        if node["task"]:
            assert {child["data"]["name"] for child in children} == read[node["data"]["name"]]
        for child in children:
            visit(child)

    for root in load("starbake_transform").DEPENDENCIES:
        visit(root)


def test_the_project_has_no_finding() -> None:
    assert validate(SAMPLES / "starbake") == []
