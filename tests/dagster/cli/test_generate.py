"""`starlake-dagster generate` on the command line."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ai.starlake.dagster.cli import main
from ai.starlake.dagster.pipelines.partitions import PARTITION_WINDOWS
from ai.starlake.embedded.cli.bootstrap import bootstrap
from ai.starlake.project.dag_generation.starts import Starts


@pytest.fixture
def project(tmp_path: Path) -> Path:
    bootstrap(tmp_path / "project")
    return tmp_path / "project"


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner(env={"SL_ROOT": None, **environment}).invoke(main, ["generate", *map(str, arguments)])


def test_the_starter_project_has_dag_files(project: Path) -> None:
    done = run("--project", project)
    assert done.exit_code == 0, done.output
    folder = project / "metadata" / ".build" / "dags"
    assert sorted(file.name for file in folder.glob("*.py")) == ["rental_load.py", "usage_transform.py"]
    for name in ("rental_load.py", "usage_transform.py", "metadata/dags/rental_load.sl.yml for rental.bikes"):
        assert name in done.output
    files = f"-f {folder / 'rental_load.py'} -f {folder / 'usage_transform.py'}"
    assert f"SL_ROOT={project} dagster dev {files}" in done.output


def test_the_project_is_that_of_sl_root(project: Path, tmp_path: Path) -> None:
    assert run("--output", tmp_path / "out", SL_ROOT=str(project)).exit_code == 0
    assert (tmp_path / "out" / "rental_load.py").exists()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--tasks"], ["usage_transform.py"]),
        (["--domains"], ["rental_load.py"]),
        (["--domains", "--tasks"], ["rental_load.py", "usage_transform.py"]),
        (["--tags", "nobody"], []),
    ],
)
def test_what_is_asked_for(project: Path, tmp_path: Path, flags: list[str], expected: list[str]) -> None:
    done = run("--project", project, "--output", tmp_path / "out", *flags)
    assert done.exit_code == 0
    assert sorted(file.name for file in (tmp_path / "out").glob("*.py")) == expected
    assert ("Nothing to generate" in done.output) is (not expected)


def test_a_dry_run_writes_nothing(project: Path, tmp_path: Path) -> None:
    done = run("--project", project, "--output", tmp_path / "out", "--dry-run")
    assert done.exit_code == 0
    assert "new" in done.output
    assert not (tmp_path / "out").exists()


def test_again_nothing_changes_and_edited_files_stay(project: Path, tmp_path: Path) -> None:
    given = ("--project", project, "--output", tmp_path / "out")
    run(*given)
    assert run(*given).output.count("unchanged") == 2
    file = tmp_path / "out" / "rental_load.py"
    file.write_text("# mine\n")
    done = run(*given)
    assert done.exit_code == 1
    assert "rental_load.py would be replaced" in done.output
    assert "--force" in done.output
    assert "Traceback" not in done.output
    assert "kept" in run(*given, "--tasks", "--clean").output
    assert file.read_text() == "# mine\n"
    assert run(*given, "--force").exit_code == 0
    assert "StarlakeJobFactory" in file.read_text()


def test_variables_from_the_command_line_win(project: Path, tmp_path: Path) -> None:
    config = project / "metadata" / "dags" / "rental_load.sl.yml"
    config.write_text(config.read_text() + "    tags: 'team-{{team}}'\n")
    done = run("--project", project, "--output", tmp_path / "out", "--options", "team=night")
    assert done.exit_code == 0
    assert '"tags": "team-night"' in (tmp_path / "out" / "rental_load.py").read_text()


def test_what_is_wrong_is_said_with_what_to_do(project: Path) -> None:
    config = project / "metadata" / "dags" / "rental_load.sl.yml"
    config.write_text(config.read_text().replace("table__shell", "table__fargate"))
    done = run("--project", project)
    assert done.exit_code == 1
    assert f"the template load/dagster__scheduled_table__fargate.py.j2 of {config} does not exist" in done.output
    assert "this package does not run Starlake on AWS Fargate" in done.output
    assert "cloud_run, dataproc, embedded, shell" in done.output


def test_a_file_that_is_no_python_is_not_written(project: Path, tmp_path: Path) -> None:
    template = project / "metadata/dags/templates/load/dagster__scheduled_table__shell.py.j2"
    template.parent.mkdir(parents=True)
    template.write_text("first = 1\ndescription = '{{ context.config.comment }}'\n")
    config = project / "metadata/dags/rental_load.sl.yml"
    config.write_text(config.read_text().replace("Loads the domain", "Loads the rental's"))
    done = run("--project", project, "--output", tmp_path / "out")
    assert done.exit_code == 1
    assert "line 2 of rental_load.py is not valid Python: description = 'Loads the rental's" in done.output
    assert "| literal" in done.output
    assert not (tmp_path / "out").exists()
    template.write_text("first = 1\ndescription = {{ context.config.comment | literal }}\n")
    assert run("--project", project, "--output", tmp_path / "out").exit_code == 0


def test_help_names_the_templates() -> None:
    shown = run("--help").output
    assert "load/dagster__scheduled_table__shell.py.j2" in shown
    assert "dagster/own.py.j2" in shown


@pytest.mark.parametrize(
    ("crons", "zone", "expected"),
    [
        (["0 0 * * *"], "UTC", "2026-03-10"),
        (["30 6 * * *"], "UTC", "2026-03-10"),
        (["0 * * * *"], "UTC", "2026-03-11"),
        (["0 0 1 * *"], "UTC", "2026-02-01"),
        (["0 * * * *", "0 0 * * 0"], "UTC", "2026-03-01"),
        (["0 0 * * *"], "Asia/Tokyo", "2026-03-11"),
    ],
)
def test_partitions_begin_with_the_last_interval_that_is_over(
    tmp_path: Path, crons: list[str], zone: str, expected: str
) -> None:
    starts = Starts(tmp_path, PARTITION_WINDOWS.window_of, datetime(2026, 3, 11, 18, 30, tzinfo=timezone.utc))
    assert str(starts("dag.py", crons, zone)) == expected


def test_a_file_that_is_there_keeps_its_start(project: Path, tmp_path: Path) -> None:
    given = ("--project", project, "--output", tmp_path / "out")
    config = project / "metadata" / "load" / "rental" / "bikes.sl.yml"
    config.write_text(config.read_text().replace("metadata:", "metadata:\n    schedule: 0 0 * * *", 1))
    assert run(*given).exit_code == 0
    file = tmp_path / "out" / "rental_load.py"
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    assert f'"start_date": "{yesterday}"' in file.read_text()
    assert "start_date" not in (tmp_path / "out" / "usage_transform.py").read_text()
    file.write_text(file.read_text().replace(str(yesterday), "2020-02-29"))
    run(*given, "--force")
    assert '"start_date": "2020-02-29"' in file.read_text()
    assert run(*given).output.count("unchanged") == 2


def test_a_file_without_start_keeps_none_and_a_configured_one_is_taken(project: Path, tmp_path: Path) -> None:
    table = project / "metadata" / "load" / "rental" / "bikes.sl.yml"
    table.write_text(table.read_text().replace("metadata:", "metadata:\n    schedule: 0 0 * * *", 1))
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "rental_load.py"
    file.write_text("options = {}\n")
    given = ("--project", project, "--output", tmp_path / "out")
    run(*given, "--force")
    assert "start_date" not in file.read_text()
    config = project / "metadata" / "dags" / "rental_load.sl.yml"
    config.write_text(config.read_text().replace("options:", "options:\n    start_date: 2019-01-01", 1))
    run(*given)
    assert '"start_date": "2019-01-01"' in file.read_text()


def test_it_says_that_schedules_are_off(project: Path) -> None:
    assert "off until you switch them on" in run("--project", project).output
