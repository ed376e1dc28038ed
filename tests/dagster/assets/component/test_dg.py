"""The component in a project of `dg`: what its commands list, write and check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.dagster.forked_commands import run_copied

BIN = Path(sys.executable).parent
Run = Callable[[list[str], Path, Mapping[str, str], Path], int]
COMPONENT = "ai.starlake.dagster.StarlakeProjectComponent"
DEFINITIONS = """
from pathlib import Path
from dagster import definitions, load_from_defs_folder

@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
PROJECT = """
[project]
name = "ours"
version = "0.1"
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "ours"
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run_script(command: list[str], cwd: Path, environment: Mapping[str, str], output: Path) -> int:
    with output.open("wb") as file:
        program, *arguments = command
        done = subprocess.run(
            [BIN / program, *arguments], cwd=cwd, env=environment, stdout=file, stderr=file, check=False, timeout=240
        )
    return done.returncode


class Location:
    """A code location as `create-dagster project` makes it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.defs = root / "src" / "ours" / "defs"
        self.defs.mkdir(parents=True)
        (root / "pyproject.toml").write_text(PROJECT)
        (self.defs.parent / "__init__.py").write_text("")
        (self.defs / "__init__.py").write_text("")
        (self.defs.parent / "definitions.py").write_text(DEFINITIONS)

    def dg(self, *arguments: str, code: int = 0) -> str:
        return self._run("dg", *arguments, code=code)

    def new_dg(self, *arguments: str) -> str:
        """Run `dg` as a shell does, and not as a copy of a process that has imported it."""
        return self._run("dg", *arguments, code=0, run=run_script)

    def validate(self, *, code: int = 0) -> str:
        """Load the definitions as in production, where no state is made."""
        return self._run("dagster", "definitions", "validate", "-m", "ours.definitions", code=code)

    def _run(self, program: str, *arguments: str, code: int, run: Run = run_copied) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SL_", "DAGSTER_"))}
        environment = {
            **kept,
            "PATH": f"{BIN}:{kept['PATH']}",
            "VIRTUAL_ENV": str(BIN.parent),
            "PYTHONPATH": str(self.root / "src"),
            "SL_DAGSTER_CACHE": str(self.root.parent / "cache"),
            "DG_CLI_CONFIG": str(self.root.parent / "dg.toml"),
            "COLUMNS": "200",
        }
        output = self.root.parent / "output"
        found = run([program, *arguments], self.root, environment, output)
        said = output.read_text("utf-8")
        assert found == code, said
        return said

    def scaffold(self, name: str, *arguments: str, code: int = 0) -> str:
        return self.dg("scaffold", "defs", COMPONENT, name, *arguments, code=code)


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return Location(tmp_path / "ours")


def test_a_new_project_from_scaffolding_to_definitions(location: Location) -> None:
    assert COMPONENT in location.new_dg("list", "components")
    location.scaffold("rental", "--init", "true")
    yaml = (location.defs / "rental" / "defs.yaml").read_text()
    assert f"type: {COMPONENT}" in yaml
    assert "project: ../../../../rental" in yaml
    assert "class: embedded" in yaml
    assert (location.root / "rental" / "metadata" / "application.sl.yml").exists()

    assert "validated successfully" in location.dg("check", "yaml")
    assert "All definitions loaded successfully" in location.dg("check", "defs")
    listed = json.loads(location.dg("list", "defs", "--json"))
    assets = {asset["asset_key"]: asset for asset in listed["assets"]}
    assert {"rental/bikes", "rental/rides", "usage/bike_usage", "usage/daily_rides"} <= set(assets)
    assert assets["usage/daily_rides"]["dependency_keys"] == ["rental/rides"]
    assert "rental/rides:rejected_rows" in {check["key"] for check in listed["asset_checks"]}


def test_a_state_is_refreshed_and_refused_when_the_project_has_changed(location: Location) -> None:
    location.scaffold("rental", "--init", "true", "--executor", "shell")
    assert "StarlakeProjectComponent[rental-" in location.dg("utils", "refresh-defs-state")
    (state,) = (location.defs / ".local_defs_state").rglob("state")
    before = state.read_bytes()
    sql = location.root / "rental" / "metadata" / "transform" / "usage" / "daily_rides.sql"
    sql.write_text(f"{sql.read_text()}-- changed\n")
    done = location.validate(code=1)
    assert "a file of the project has changed since it was made" in done
    assert "dg utils refresh-defs-state" in done
    location.dg("utils", "refresh-defs-state")
    assert state.read_bytes() != before
    assert "Validation successful" in location.validate()


def test_a_project_of_ones_own(location: Location, tmp_path: Path) -> None:
    (tmp_path / "bakery" / "metadata").mkdir(parents=True)
    (tmp_path / "bakery" / "metadata" / "application.sl.yml").write_text("version: 1\napplication: {}\n")
    location.scaffold("shop", "--project-path", str(tmp_path / "bakery"), "--executor", "my_package.MyJob")
    yaml = (location.defs / "shop" / "defs.yaml").read_text()
    assert "project: ../../../../../bakery" in yaml
    assert "class: my_package.MyJob" in yaml


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name its folder with --project-path"),
        (["--project-path", "nowhere"], "is not a Starlake project"),
        (["--init", "true", "--project-path", "src"], "is not empty"),
    ],
)
def test_what_cannot_be_scaffolded(location: Location, arguments: list[str], said: str) -> None:
    assert said in location.scaffold("shop", *arguments, code=1)
    assert not list(location.defs.rglob("defs.yaml"))


def test_mistakes_in_the_yaml_are_named_with_their_line(location: Location) -> None:
    place = location.defs / "shop"
    place.mkdir()
    (place / "defs.yaml").write_text(f"type: {COMPONENT}\nattributes:\n  project: x\n  exekutor: shell\n")
    said = location.dg("check", "yaml", code=1)
    assert "defs.yaml:4" in said
    assert "exekutor" in said
