"""`starlake-dagster init`: the project that it makes runs in Dagster as it stands."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import uuid
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner, Result

from ai.starlake.dagster.cli import main
from ai.starlake.dagster.cli.new_project import ProjectExecutor
from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob, StarlakeDagsterDataprocJob
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.dagster.warm import StarlakeDagsterWarmJob
from ai.starlake.project import validate
from tests.dagster.dev.machinery import Location, dev_server
from tests.dagster.recorded_run import made_and_checked
from tests.dagster.run_configs import IN_PROCESS, config_file

BIN = Path(sys.executable).parent


def init(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["init", *map(str, arguments)])


def dagster(project: Path, *arguments: str) -> str:
    """Run Dagster's command line as README.md of the project says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SL_", "DAGSTER_"))}
    environment = {**kept, "DAGSTER_HOME": str(project), "SL_DAGSTER_CACHE": str(project / "cache")}
    done = subprocess.run(
        [BIN / "dagster", *arguments],
        env={**environment, "PATH": f"{BIN}:{environment['PATH']}"},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    done = init(tmp_path / "rental")
    assert done.exit_code == 0, done.output
    return tmp_path / "rental"


def test_it_says_what_to_do_next(tmp_path: Path) -> None:
    done = init(tmp_path / "my rental")
    assert done.exit_code == 0
    steps = [line.strip() for line in done.output.partition("Next:")[2].splitlines() if line.startswith("  ")]
    assert steps == [f"cd '{tmp_path / 'my rental'}'", 'export DAGSTER_HOME="$PWD"', "dagster dev -f definitions.py"]
    readme = (tmp_path / "my rental" / "README.md").read_text()
    assert readme.startswith("# my rental\n")
    assert "\n".join(steps[1:]) in readme


@pytest.mark.parametrize("name", ["rental", 'my "best" rental', "it's", "back\\slash", ".süß"])
def test_nothing_of_the_project_is_a_mistake(tmp_path: Path, name: str) -> None:
    assert init(tmp_path / name).exit_code == 0
    assert list(validate(tmp_path / name)) == []


def test_the_definitions_are_five_lines(project: Path) -> None:
    text = (project / "definitions.py").read_text()
    assert len([line for line in text.splitlines() if line]) <= 5
    compile(text, "definitions.py", "exec")


def test_data_is_not_under_version_control(project: Path) -> None:
    subprocess.run(["git", "init", "-q", project], check=True)
    for name in ("datasets/duckdb.db", "datasets/stage/rental/x.csv", "storage/x.db", "__pycache__/x.pyc"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"], cwd=project, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {name.partition("/")[0] for name in listed} == {
        ".gitignore",
        "README.md",
        "dagster.yaml",
        "datasets",
        "definitions.py",
        "metadata",
    }
    assert all(name.startswith("datasets/incoming/") for name in listed if name.startswith("datasets"))


@pytest.mark.parametrize("name", ["notes.txt", ".git"])
def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    done = init(tmp_path)
    assert done.exit_code == 1
    assert f"{tmp_path} is not empty" in done.output
    assert "choose a new folder" in done.output
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_is_empty_is_used(tmp_path: Path) -> None:
    assert init(tmp_path).exit_code == 0
    assert (tmp_path / "definitions.py").exists()


def test_an_executor_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    done = init(tmp_path / "rental", "--executor", "spark")
    assert done.exit_code == 2
    assert "'embedded', 'shell', 'warm', 'dataproc', 'cloud_run'" in done.output
    assert not (tmp_path / "rental").exists()


@pytest.mark.parametrize(("arguments", "named"), [(["int", "rental"], "init"), (["gcp", "reep"], "reap")])
def test_a_misspelled_command_is_refused_with_the_nearest_name(arguments: list[str], named: str) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert f"Did you mean '{named}'?" in done.output


def test_each_executor_of_dagster_is_offered() -> None:
    installed = entry_points(group="starlake.executors")
    assert {point.name.removeprefix("dagster.") for point in installed if point.name.startswith("dagster.")} == {
        *get_args(ProjectExecutor)
    }


JOBS = {
    "shell": StarlakeDagsterShellJob,
    "warm": StarlakeDagsterWarmJob,
    "dataproc": StarlakeDagsterDataprocJob,
    "cloud_run": StarlakeDagsterCloudRunJob,
}


@pytest.mark.filterwarnings("error::ai.starlake.job.StarlakeOptionWarning")
@pytest.mark.parametrize("comments", [True, False], ids=["as written", "with all options"])
@pytest.mark.parametrize("executor", JOBS)
def test_the_definitions_of_an_executor_load(tmp_path: Path, executor: str, comments: bool) -> None:
    project = tmp_path / "my rental"
    assert init(project, "--executor", executor).exit_code == 0
    file = project / "definitions.py"
    if not comments:  # as somebody who wants all of it
        file.write_text(re.sub(r'^( +)# "', r'\1"', file.read_text(), flags=re.MULTILINE))
    loaded = runpy.run_path(str(file))
    assert type(loaded["sl_job"]) is JOBS[executor]
    assets = {key.to_user_string() for key in loaded["defs"].get_repository_def().assets_defs_by_key}
    assert assets >= {"rental/bikes", "rental/rides", "usage/bike_usage", "usage/daily_rides"}
    assert ('# "' in file.read_text()) is (comments and executor != "shell")


@pytest.mark.parametrize(("executor", "steps"), [("warm", False), ("dataproc", True), ("cloud_run", True)])
def test_the_readme_says_what_an_executor_needs(tmp_path: Path, executor: str, steps: bool) -> None:
    assert init(tmp_path / "rental", "--executor", executor).exit_code == 0
    readme = (tmp_path / "rental" / "README.md").read_text()
    assert ("Before the first run:" in readme) is steps
    assert ("datasets/duckdb.db" in readme) is not steps


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_of_it_is_materialized_and_checks_warn(tmp_path: Path) -> None:
    """tests/packaging/test_first_hour.py makes them on the embedded engine."""
    project = tmp_path / "rental"
    assert init(project, "--executor", "shell").exit_code == 0
    file = project / "definitions.py"
    file.write_text(file.read_text().replace('"starlake"})', '"starlake-embedded"})'))  # which needs no Java
    assert "Validation successful" in dagster(project, "definitions", "validate", "-f", "definitions.py")
    dagster(project, "asset", "materialize", "-f", "definitions.py", "--select", "*", "-c", str(config_file(tmp_path)))
    made, checked = made_and_checked(project)
    assert made == {"rental/bikes", "rental/rides", "usage/bike_usage", "usage/daily_rides"}
    assert checked["rental/bikes:unique_bike_id"] == "passed"
    assert checked["usage/daily_rides:at_least_1"] == "passed"
    not_passed = {name: result for name, result in checked.items() if result != "passed"}
    assert not_passed == {"rental/rides:between_minutes_1_720": "WARN", "rental/rides:rejected_rows": "WARN"}
    import duckdb

    with duckdb.connect(str(project / "datasets/duckdb.db"), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM rental.rides").fetchone() == (27,)
        assert database.execute("SELECT count(*) FROM audit.rejected").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM usage.bike_usage").fetchone() == (7,)


class InitLocation(Location):
    """A project as `init` makes it, opened as its README.md says."""

    @property
    def home(self) -> Path:
        return self.root

    @property
    def file(self) -> Path:
        return self.root / "definitions.py"

    @property
    def log(self) -> Path:
        return self.root.parent / "log"


ASSETS = """{ assetNodes { assetKey { path } dependencyKeys { path } hasMaterializePermission kinds
  assetChecksOrError { ... on AssetChecks { checks { name } } } } }"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_dagster_dev_shows_the_assets_and_materializes_them(project: Path) -> None:
    location = InitLocation(project, uuid.uuid4().hex, {"SL_DAGSTER_CACHE": str(project.parent / "cache")})
    try:
        with dev_server(location) as server:
            nodes = {"/".join(node["assetKey"]["path"]): node for node in server.ask(ASSETS)["assetNodes"]}
            assert set(nodes) == {"rental/bikes", "rental/rides", "usage/bike_usage", "usage/daily_rides"}
            read = {"/".join(key["path"]) for key in nodes["usage/bike_usage"]["dependencyKeys"]}
            assert read == {"rental/bikes", "rental/rides", "usage/daily_rides"}
            checks = {check["name"] for check in nodes["rental/rides"]["assetChecksOrError"]["checks"]}
            assert {"rejected_rows", "between_minutes_1_720"} <= checks
            assert server.ended(server.launch("__ASSET_JOB", IN_PROCESS)) == "SUCCESS"
    finally:
        location.end_all()
    made, checked = made_and_checked(project)
    assert made == set(nodes)
    assert checked["rental/rides:rejected_rows"] == "WARN"
