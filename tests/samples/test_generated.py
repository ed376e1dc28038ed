"""The generated sample files are those that the generator makes of the sample project today."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FILES = sorted(file.name for file in (SAMPLES / "generated").glob("*.py"))
AIRFLOW = sorted(file.name for file in (SAMPLES / "airflow" / "generated").glob("*.py"))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_regenerate", SAMPLES / "regenerate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_they_are_current(script: ModuleType) -> None:
    rendered = {file.name: file.text for file in script.render()}
    assert {name: (SAMPLES / "generated" / name).read_text("utf-8") for name in FILES} == rendered


def test_those_of_airflow_are_current(script: ModuleType) -> None:
    rendered = {file.name: file.text for file in script.render(["airflow"])}
    assert {name: (SAMPLES / "airflow" / "generated" / name).read_text("utf-8") for name in AIRFLOW} == rendered


def test_there_is_one_of_each_kind() -> None:
    places = ("cloud_run", "dataproc", "embedded", "shell")
    assert sorted(f"starbake_{kind}_{place}.py" for kind in ("load", "transform") for place in places) == FILES


@pytest.mark.parametrize(
    "name", [*(f"generated/{name}" for name in FILES), *(f"airflow/generated/{name}" for name in AIRFLOW)]
)
def test_they_name_no_folder_of_the_machine_that_made_them(name: str) -> None:
    text = (SAMPLES / name).read_text("utf-8")
    assert str(SAMPLES.parent) not in text
    ast.parse(text)
