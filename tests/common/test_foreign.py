"""Starlake's own packages, installed into the same environment: they install files of the same names as ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Return a folder as site-packages is after both were installed."""
    shutil.copytree(ROOT / "ai", tmp_path / "ai", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("ai", "ai/starlake"):
        (tmp_path / folder / "__init__.py").touch()
    return tmp_path


def error_of(folder: Path, statement: str) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {statement}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize(
    "statement",
    ["import ai.starlake.dagster.shell", "import ai.starlake.embedded.cli.main", "import ai.starlake.project"],
)
def test_ours_installed_last(mixed: Path, statement: str) -> None:
    told = error_of(mixed, statement)
    assert f"the package ai.starlake is mixed: {mixed / 'ai' / '__init__.py'} belongs to another" in told
    assert "pip uninstall starlake-orchestration" in told


@pytest.mark.parametrize("statement", ["import ai.starlake.embedded.cli.main", "import ai.starlake.dagster.cli"])
def test_theirs_installed_last(mixed: Path, statement: str) -> None:
    for name in ("common", "dataset", "job", "orchestration", "dagster", "gcp", "dagster/shell", "dagster/gcp"):
        (mixed / "ai" / "starlake" / name / "__init__.py").write_text("")
    assert "the package ai.starlake is mixed" in error_of(mixed, statement)
