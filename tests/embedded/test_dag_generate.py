"""``dag-generate`` on the command line; what it makes is the project's part to test."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ai.starlake.dagster.cli import main as starlake_dagster
from ai.starlake.embedded.cli.bootstrap import bootstrap
from ai.starlake.embedded.cli.main import run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    bootstrap(tmp_path)
    dags = tmp_path / "metadata" / "dags"
    for kind, template in (
        ("load", "dagster__scheduled_table__shell"),
        ("transform", "dagster__scheduled_task__shell"),
    ):
        file = dags / "templates" / kind / f"{template}.py.j2"
        file.parent.mkdir(parents=True)
        file.write_text("# {{ context.config.comment }}\n")
    monkeypatch.setenv("SL_ROOT", str(tmp_path))
    return tmp_path


def test_writes_below_metadata(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dag-generate", "--clean"]) == 0
    folder = root / "metadata" / ".build" / "dags"
    assert f"Generated {folder / 'rental_load.py'}" in capsys.readouterr().out
    assert (folder / "rental_load.py").read_text() == "# Loads the domain rental\n"
    assert (folder / "usage_transform.py").read_text() == "# Runs the tasks of usage\n"


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (["--tasks"], ["usage_transform.py"]),
        (["--domains"], ["rental_load.py"]),
        (["--tasks", "--domains"], ["rental_load.py", "usage_transform.py"]),
        (["--tags", "none"], []),
    ],
)
def test_what_is_wanted(root: Path, flags: list[str], names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    target = root / "out"
    assert run(["dag-generate", "--outputDir", str(target), *flags]) == 0
    assert sorted(path.name for path in target.glob("*.py")) == names
    assert ("Nothing to generate" in capsys.readouterr().err) is (not names)


def test_nothing_is_written_or_cleaned_when_a_file_cannot_be_made(root: Path) -> None:
    assert run(["dag-generate"]) == 0
    (root / "metadata/dags/templates/transform/dagster__scheduled_task__shell.py.j2").write_text("{% broken")
    (root / "metadata/.build/dags/rental_load.py").write_text("as it was")
    assert run(["dag-generate", "--clean"]) == 1
    assert (root / "metadata/.build/dags/rental_load.py").read_text() == "as it was"


def test_the_other_command_knows_what_this_one_generated(root: Path) -> None:
    assert run(["dag-generate"]) == 0
    done = CliRunner().invoke(starlake_dagster, ["generate", "--project", str(root), "--tasks", "--clean"])
    assert (done.exit_code, "removed" in done.output) == (0, True), done.output
    assert sorted(path.name for path in (root / "metadata/.build/dags").glob("*.py")) == ["usage_transform.py"]


def test_either_command_replaces_what_the_other_generated(root: Path) -> None:
    template = root / "metadata/dags/templates/load/dagster__scheduled_table__shell.py.j2"
    for number in range(2):
        assert run(["dag-generate"]) == 0
        template.write_text(f"first = {number}\n")
        done = CliRunner().invoke(starlake_dagster, ["generate", "--project", str(root)])
        assert (done.exit_code, done.output.count("changed") - done.output.count("unchanged")) == (0, 1), done.output
        template.write_text(f"second = {number}\n")
    assert (root / "metadata/.build/dags/rental_load.py").read_text() == "first = 1\n"


def test_this_command_replaces_what_was_edited_and_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert CliRunner().invoke(starlake_dagster, ["generate", "--project", str(root)]).exit_code == 0
    edited = root / "metadata/.build/dags/rental_load.py"
    edited.write_text("# mine\n")
    assert run(["dag-generate"]) == 0
    printed = capsys.readouterr()
    assert f"{edited} was edited" in printed.err
    assert "usage_transform.py" not in printed.err
    assert edited.read_text() == "# Loads the domain rental\n"
    assert CliRunner().invoke(starlake_dagster, ["generate", "--project", str(root)]).exit_code == 0


def test_cleaning_names_the_files_that_were_not_generated(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert CliRunner().invoke(starlake_dagster, ["generate", "--project", str(root)]).exit_code == 0
    folder = root / "metadata/.build/dags"
    (folder / "mine").mkdir()
    (folder / "mine" / "own.py").write_text("# mine\n")
    assert run(["dag-generate", "--tasks", "--clean"]) == 0
    printed = capsys.readouterr()
    assert f"Removed {folder / 'mine/own.py'}\n" in printed.out
    assert f"{folder / 'mine/own.py'} was edited, or was not a generated file" in printed.err
    assert f"Removed {folder / 'rental_load.py'}\n" in printed.out
    assert "rental_load.py" not in printed.err
    assert sorted(path.name for path in folder.iterdir()) == ["usage_transform.py"]
    done = CliRunner().invoke(starlake_dagster, ["generate", "--project", str(root), "--tasks"])
    assert done.exit_code == 0, done.output
    assert "unchanged" in done.output
