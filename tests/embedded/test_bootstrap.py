"""``bootstrap``: the project that it writes runs, and it overwrites nothing."""

from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded import Engine
from ai.starlake.embedded.cli.bootstrap import bootstrap, templates
from ai.starlake.embedded.cli.main import run
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.project import Project, validate


@pytest.mark.parametrize("template", templates())
def test_the_project_validates_stages_loads_and_transforms(tmp_path: Path, template: str) -> None:
    root = tmp_path / "new" / "project"
    bootstrap(root, template)
    assert list(validate(root)) == []
    engine = Engine.open(root, environment={})
    assert len(engine.stage().moves) == len(list(root.glob("datasets/stage/*/*"))) > 0
    loaded = engine.load()
    assert [job.error for job in loaded.jobs] == [None] * len(loaded.jobs)
    assert loaded.accepted_count > 0
    assert loaded.rejected_count == 0
    for task in Project.read(root, environment={}).tasks:
        assert engine.transform(TransformRequest(task.full_name, recursive=True)).error is None
    assert not list(root.glob("datasets/stage/*/*"))


def test_expectations_of_the_project_are_checked(tmp_path: Path) -> None:
    bootstrap(tmp_path)
    rides = tmp_path / "datasets" / "incoming" / "rental" / "rides-20260105.csv"
    rides.write_text(rides.read_text().replace("101,", "102,", 1))
    engine = Engine.open(tmp_path, environment={})
    engine.stage()
    assert [Path(job.files[0]).name for job in engine.load().failures][:1] == [rides.name]


def test_overwrites_nothing(tmp_path: Path) -> None:
    mine = tmp_path / "metadata" / "env.sl.yml"
    mine.parent.mkdir()
    mine.write_text("version: 1\n")
    with pytest.raises(StarlakeError, match=r"env\.sl\.yml"):
        bootstrap(tmp_path)
    assert mine.read_text() == "version: 1\n"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StarlakeError, match="cannot be written"):
        bootstrap(tmp_path / "file")


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "a project"
    assert run(["bootstrap", "--project-location", str(root), "--no-exit"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Project created based on starter")
    assert f"cd '{root}'" in out
    monkeypatch.chdir(root)
    monkeypatch.delenv("SL_ROOT", raising=False)
    steps = [line.split()[1:] for line in out.splitlines() if line.strip().startswith("starlake-embedded")]
    assert len(steps) == 4
    assert [run(step) for step in steps] == [0, 0, 0, 0]
    assert run(["bootstrap"]) == 1
    assert run(["bootstrap", "--template", "nothing", "--project-location", str(tmp_path / "b")]) == 1
    assert "use one of starter" in capsys.readouterr().err
