"""``dag-generate`` on the command line; what it makes is the project's part to test."""

from pathlib import Path

import pytest

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
    assert sorted(path.name for path in target.glob("*")) == names
    assert ("Nothing to generate" in capsys.readouterr().err) is (not names)


def test_nothing_is_written_or_cleaned_when_a_file_cannot_be_made(root: Path) -> None:
    assert run(["dag-generate"]) == 0
    (root / "metadata/dags/templates/transform/dagster__scheduled_task__shell.py.j2").write_text("{% broken")
    (root / "metadata/.build/dags/rental_load.py").write_text("as it was")
    assert run(["dag-generate", "--clean"]) == 1
    assert (root / "metadata/.build/dags/rental_load.py").read_text() == "as it was"
