"""`starlake-airflow generate` on the command line, where Airflow is not installed; see tests/airflow for the files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ai.starlake.airflow.cli import main
from ai.starlake.dagster.cli import main as dagster_main
from ai.starlake.embedded.cli.bootstrap import bootstrap
from ai.starlake.orchestration.freshness.windows import CRON_WINDOWS
from ai.starlake.project.dag_generation.starts import Starts


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the starter project, with configurations for Airflow."""
    bootstrap(tmp_path / "project")
    for file in (tmp_path / "project/metadata/dags").glob("*.sl.yml"):
        file.write_text(file.read_text().replace("dagster__", "airflow__"))
    return tmp_path / "project"


def run(*arguments: object, command: Any = main, **environment: str) -> Result:
    return CliRunner(env={"SL_ROOT": None, **environment}).invoke(command, ["generate", *map(str, arguments)])


def schedule(project: Path, cron: str) -> None:
    config = project / "metadata/load/rental/bikes.sl.yml"
    config.write_text(config.read_text().replace("metadata:", f"metadata:\n    schedule: {cron}", 1))


def options_of(text: str) -> dict[str, str]:
    """Return the options of a file."""
    return next(
        ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "options"
    )


def test_it_writes_files_for_airflow_and_says_how_to_open_them(project: Path) -> None:
    done = run("--project", project)
    assert done.exit_code == 0, done.output
    folder = project / "metadata/.build/dags"
    assert sorted(file.name for file in folder.glob("*.py")) == ["rental_load.py", "usage_transform.py"]
    for file in folder.glob("*.py"):
        assert "orchestrator = StarlakeOrchestrator.AIRFLOW\n" in file.read_text()
    assert f"SL_ROOT={project} AIRFLOW__CORE__DAGS_FOLDER={folder} airflow standalone" in done.output
    assert "DAGs are paused until you unpause them" in done.output


def test_both_commands_have_the_same_arguments() -> None:
    shown = [run("--help", command=command).output.partition("Options:")[2] for command in (main, dagster_main)]
    assert shown[0] == shown[1]
    assert "--dry-run" in shown[0]


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.py"))


def test_both_commands_make_the_same_files_of_templates_of_the_project(project: Path, tmp_path: Path) -> None:
    for kind, template in (("load", "table__shell"), ("transform", "task__shell")):
        own = project / f"metadata/dags/templates/{kind}/own.py.j2"
        own.parent.mkdir(parents=True)
        own.write_text(f"{{% include '{kind}/airflow__scheduled_{template}.py.j2' %}}")
    for file in (project / "metadata/dags").glob("*.sl.yml"):
        kind = "load" if "load" in file.name else "transform"
        file.write_text(re.sub(r"template: .*", f"template: {kind}/own.py.j2", file.read_text()))
    for name, command in (("a", main), ("b", dagster_main)):
        assert run("--project", project, "--output", tmp_path / name, command=command).exit_code == 0
    texts = [{file.name: file.read_text() for file in (tmp_path / name).glob("*.py")} for name in ("a", "b")]
    assert texts[0] == texts[1]
    assert list(texts[0]) != []


@pytest.fixture
def shared(project: Path) -> Path:
    """Return a project whose loads run on Dagster, and its transforms on Airflow."""
    config = project / "metadata/dags/rental_load.sl.yml"
    config.write_text(config.read_text().replace("airflow__", "dagster__"))
    return project


def test_each_command_writes_the_files_of_its_orchestrator_and_names_the_others(shared: Path, tmp_path: Path) -> None:
    done = run("--project", shared, "--output", tmp_path / "dags")
    assert names_in(tmp_path / "dags") == ["usage_transform.py"]
    assert "To see them in Airflow: " in done.output
    assert "Left out, because their templates are for Dagster: rental_load.py\n" in done.output
    done = run("--project", shared, "--output", tmp_path / "defs", command=dagster_main)
    assert names_in(tmp_path / "defs") == ["rental_load.py"]
    assert f"dagster dev -f {tmp_path / 'defs' / 'rental_load.py'}\n" in done.output
    assert "Left out, because their templates are for Airflow: usage_transform.py\n" in done.output
    assert "rental_load.py" in run("--project", shared, "--output", tmp_path / "dags", "--dry-run").output


def test_a_command_with_nothing_of_its_orchestrator_says_what_is_left_out(project: Path, tmp_path: Path) -> None:
    done = run("--project", project, "--output", tmp_path / "defs", command=dagster_main)
    assert done.exit_code == 0
    left_out, advice = done.output.splitlines()
    assert left_out == "Left out, because their templates are for Airflow: rental_load.py, usage_transform.py"
    assert advice.startswith("To generate files for Dagster, ")
    assert "load/dagster__scheduled_table__shell.py.j2" in advice
    assert not (tmp_path / "defs").exists()


def test_clean_keeps_the_files_of_the_other_orchestrator(shared: Path, tmp_path: Path) -> None:
    for command in (main, dagster_main):
        assert run("--project", shared, "--output", tmp_path, "--clean", command=command).exit_code == 0
    assert names_in(tmp_path) == ["rental_load.py", "usage_transform.py"]
    config = shared / "metadata/dags/rental_load.sl.yml"
    config.write_text(re.sub(r"filename: .*", "filename: renamed.py", config.read_text()))
    run("--project", shared, "--output", tmp_path, "--clean")
    assert names_in(tmp_path) == ["rental_load.py", "usage_transform.py"]
    run("--project", shared, "--output", tmp_path, "--clean", command=dagster_main)
    assert names_in(tmp_path) == ["renamed.py", "usage_transform.py"]


def test_a_wrong_project_is_refused_with_every_finding(project: Path, tmp_path: Path) -> None:
    schedule(project, "0 5 * *")
    refused = [run("--project", project, "--output", tmp_path / "out", command=each) for each in (main, dagster_main)]
    assert [done.exit_code for done in refused] == [1, 1]
    assert refused[0].output == refused[1].output
    assert "it has 4 fields instead of 5" in refused[0].output
    assert "Traceback" not in refused[0].output
    assert not (tmp_path / "out").exists()


def test_fargate_is_refused_with_what_to_use_instead(project: Path) -> None:
    config = project / "metadata/dags/rental_load.sl.yml"
    config.write_text(config.read_text().replace("table__shell", "table__fargate"))
    done = run("--project", project)
    assert done.exit_code == 1
    assert "this package does not run Starlake on AWS Fargate" in done.output
    assert "load/airflow__scheduled_table__X.py.j2, where X is cloud_run, dataproc, embedded, shell" in done.output


@pytest.mark.parametrize("place", ["shell", "bash", "embedded", "cloud_run", "dataproc"])
def test_each_place_has_templates(project: Path, tmp_path: Path, place: str) -> None:
    for file in (project / "metadata/dags").glob("*.sl.yml"):
        file.write_text(file.read_text().replace("__shell", f"__{place}"))
    assert run("--project", project, "--output", tmp_path / "out").exit_code == 0
    name = "SHELL" if place == "bash" else place.upper()
    for file in (tmp_path / "out").glob("*.py"):
        assert f"execution_environment = StarlakeExecutionEnvironment.{name}\n" in file.read_text()


def test_hooks_of_the_project_come_before_the_job(project: Path, tmp_path: Path) -> None:
    own = project / "metadata/dags/templates/airflow/own.py.j2"
    own.parent.mkdir(parents=True)
    own.write_text("\nuser_defined_macros = {'a': 1}\n")
    assert run("--project", project, "--output", tmp_path / "out").exit_code == 0
    text = (tmp_path / "out/rental_load.py").read_text()
    assert text.index("user_defined_macros = ") < text.index("sl_job = ")


def test_a_projects_own_template_goes_before_ours(project: Path, tmp_path: Path) -> None:
    own = project / "metadata/dags/templates/load/airflow__scheduled_table__shell.py.j2"
    own.parent.mkdir(parents=True)
    own.write_text(
        "mine = '{{ context.config.options[0].name }}'\naccess_control = {{ context.sl_airflow_access_control }}"
    )
    assert run("--project", project, "--output", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out/rental_load.py").read_text() == "mine = 'pre_load_strategy'\naccess_control = None\n"


ROLES = {"SL_1_OP": ["can_edit", "can_read"], "a \"quoted' role": {"DAGs": ["can_read"]}}


@pytest.mark.parametrize(
    "text", [repr(ROLES), repr({**ROLES, "SL_1_OP": {"can_read", "can_edit"}})], ids=["lists", "a set"]
)
def test_access_control_comes_from_a_variable(project: Path, tmp_path: Path, text: str) -> None:
    file = project / "metadata/env.sl.yml"
    before = file.read_text()
    quoted = text.replace("'", "''")
    file.write_text(f"{before}\n  sl_airflow_access_control: '{quoted}'\n")
    assert run("--project", project, "--output", tmp_path / "out").exit_code == 0
    made = (tmp_path / "out/rental_load.py").read_text()
    line = next(line for line in made.splitlines() if line.startswith("access_control = "))
    assert ast.literal_eval(line.partition(" = ")[2]) == ROLES
    file.write_text(f"{before}\n  sl_airflow_access_control: 'Op'\n")
    done = run("--project", project, "--output", tmp_path / "out")
    assert done.exit_code == 1
    assert "the variable sl_airflow_access_control cannot be used\nit is not a dictionary of roles" in done.output


def test_no_access_control_stands_in_a_file_without_one(project: Path, tmp_path: Path) -> None:
    run("--project", project, "--output", tmp_path / "out")
    assert "access_control" not in (tmp_path / "out/rental_load.py").read_text()


@pytest.mark.parametrize(
    ("crons", "zone", "expected"),
    [
        (["0 0 * * *"], "UTC", "2026-03-10"),
        (["0 * * * *"], "UTC", "2026-03-11"),
        (["0 0 1 * *"], "UTC", "2026-02-01"),
        (["0 * * * *", "0 0 * * 0"], "UTC", "2026-03-01"),
        (["0 0 * * *"], "Asia/Tokyo", "2026-03-11"),
    ],
)
def test_a_file_starts_with_the_last_interval_that_is_over(
    tmp_path: Path, crons: list[str], zone: str, expected: str
) -> None:
    starts = Starts(tmp_path, CRON_WINDOWS.window_of, datetime(2026, 3, 11, 18, 30, tzinfo=timezone.utc))
    assert str(starts("dag.py", crons, zone)) == expected


def test_a_file_keeps_the_start_that_it_has(project: Path, tmp_path: Path) -> None:
    schedule(project, "0 0 * * *")
    given = ("--project", project, "--output", tmp_path / "out")
    assert run(*given).exit_code == 0
    file = tmp_path / "out/rental_load.py"
    made = options_of(file.read_text())["start_date"]
    file.write_text(file.read_text().replace(made, "2026-01-05"))
    assert run(*given, "--force").exit_code == 0
    assert options_of(file.read_text())["start_date"] == "2026-01-05"


def test_it_needs_no_airflow_and_no_dagster(project: Path) -> None:
    code = (
        "import sys\nfrom ai.starlake.airflow.cli import main\n"
        f"main(['generate', '--project', {str(project)!r}], standalone_mode=False)\n"
        "print(sorted(name for name in ('airflow', 'dagster', 'duckdb') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_program_is_installed() -> None:
    command = Path(sys.executable).with_name("starlake-airflow")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "generate" in done.stdout
