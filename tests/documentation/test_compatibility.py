"""The versions of docs/compatibility.md are those of the requirements."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "compatibility.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("row", "extra", "package"),
    [("Dagster", "dagster", "dagster"), ("Airflow", "airflow", "apache-airflow"), ("DuckDB", "embedded", "duckdb")],
)
def test_the_lowest_version_is_the_one_that_is_required(row: str, extra: str, package: str) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = re.search(rf"^{package}>=([\d.]+)", setup["options.extras_require"][extra], re.MULTILINE)
    shown = re.search(rf"^\| {row} \| ([\d.]+) and newer", PAGE, re.MULTILINE)
    assert required
    assert shown
    assert shown[1] == required[1]


def test_the_lowest_python_is_the_one_that_is_required() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert f"| Python | {setup['options']['python_requires'].removeprefix('>=')} and newer" in PAGE
