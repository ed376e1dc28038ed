"""One file has the version of both distributions, and all programs print it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
VERSION = (ROOT / "VERSION").read_text("utf-8").strip()


@pytest.mark.parametrize("distribution", ["starlake-jobs", "starlake-gcp-emulator"])
def test_both_distributions_have_the_version_of_the_file(distribution: str) -> None:
    assert version(distribution) == VERSION, "run `make setup`"


def test_the_version_is_written_down_once() -> None:
    files = ("setup.cfg", "pyproject.toml", "packages/starlake-gcp-emulator/pyproject.toml")
    for name in files:
        assert not re.search(r"^version\s*=\s*[\"\d]", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize(
    "program", ["starlake-dagster", "starlake-airflow", "starlake-embedded", "starlake-gcp-emulator"]
)
def test_each_program_prints_it(program: str) -> None:
    command = [Path(sys.executable).with_name(program), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split()[-1] == VERSION


def test_the_changelog_describes_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## \[?{re.escape(VERSION)}\b", changelog, flags=re.MULTILINE)
