"""Generated files on disk: nothing is written without need, and no edits of others are lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.project.dag_generation import DagFile, FileChange, GeneratedFolder
from ai.starlake.project.dag_generation.generated_files import RECORD

FILES = [DagFile("a.py", "1\n", "a"), DagFile("below/b.py", "2\n", "b")]


@pytest.fixture
def output(tmp_path: Path) -> GeneratedFolder:
    return GeneratedFolder(tmp_path / "out")


def run(
    output: GeneratedFolder, files: Sequence[DagFile], *, clean: bool = False, force: bool = False
) -> dict[str, FileChange]:
    steps = output.plan(files, clean=clean, force=force)
    output.carry_out(steps)
    return {step.name: step.change for step in steps}


def names(output: GeneratedFolder) -> list[str]:
    files = (file for file in output.folder.rglob("*") if file.is_file() and file.name != RECORD)
    return sorted(file.relative_to(output.folder).as_posix() for file in files)


def test_files_are_written_once(output: GeneratedFolder) -> None:
    assert run(output, FILES) == {"a.py": FileChange.NEW, "below/b.py": FileChange.NEW}
    before = {file: file.stat().st_mtime_ns for file in output.folder.rglob("*") if file.is_file()}
    assert run(output, FILES) == {"a.py": FileChange.UNCHANGED, "below/b.py": FileChange.UNCHANGED}
    assert {file: file.stat().st_mtime_ns for file in output.folder.rglob("*") if file.is_file()} == before
    assert names(output) == ["a.py", "below/b.py"]


def test_a_plan_changes_nothing(output: GeneratedFolder) -> None:
    output.plan(FILES)
    assert not output.folder.exists()


def test_no_files_make_no_folder(output: GeneratedFolder) -> None:
    assert run(output, []) == {}
    assert not output.folder.exists()


def test_a_generated_file_is_replaced(output: GeneratedFolder) -> None:
    run(output, FILES)
    assert run(output, [DagFile("a.py", "3\n", "a")]) == {"a.py": FileChange.CHANGED}
    assert (output.folder / "a.py").read_text() == "3\n"


@pytest.mark.parametrize("generated_before", [True, False])
def test_a_file_of_somebody_else_is_not_replaced_unless_forced(output: GeneratedFolder, generated_before: bool) -> None:
    if generated_before:
        run(output, FILES)
    output.folder.mkdir(exist_ok=True)
    (output.folder / "a.py").write_text("by hand\n")
    with pytest.raises(StarlakeError, match=r"a\.py would be replaced(.|\n)*--force"):
        run(output, [*FILES, DagFile("c.py", "4\n", "c")])
    assert (output.folder / "a.py").read_text() == "by hand\n"
    assert not (output.folder / "c.py").exists()
    assert run(output, FILES, force=True)["a.py"] is FileChange.CHANGED
    assert (output.folder / "a.py").read_text() == "1\n"


def test_cleaning_removes_what_was_generated_and_nothing_else(output: GeneratedFolder) -> None:
    run(output, [*FILES, DagFile("edited.py", "5\n", "e")])
    (output.folder / "edited.py").write_text("by hand\n")
    (output.folder / "foreign.py").write_text("by hand\n")
    expected = {"a.py": FileChange.UNCHANGED, "below/b.py": FileChange.REMOVED, "edited.py": FileChange.KEPT}
    assert run(output, FILES[:1], clean=True) == expected
    assert names(output) == ["a.py", "edited.py", "foreign.py"]
    # what was kept belongs to whoever edited it from then on
    assert run(output, FILES[:1], clean=True) == {"a.py": FileChange.UNCHANGED}


def test_without_cleaning_files_stay_and_can_be_cleaned_later(output: GeneratedFolder) -> None:
    run(output, FILES)
    assert run(output, FILES[:1]) == {"a.py": FileChange.UNCHANGED}
    assert run(output, FILES[:1], clean=True)["below/b.py"] is FileChange.REMOVED


def test_a_file_that_is_gone_is_made_again(output: GeneratedFolder) -> None:
    run(output, FILES)
    (output.folder / "a.py").unlink()
    (output.folder / "below" / "b.py").unlink()
    assert run(output, FILES[:1], clean=True) == {"a.py": FileChange.NEW}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"generated": 1}', json.dumps({"generated": {"../../precious.py": "0"}}), "\x80"]
)
def test_a_damaged_record_is_an_error(output: GeneratedFolder, tmp_path: Path, text: str) -> None:
    run(output, FILES)
    (tmp_path / "precious.py").write_text("")
    (output.folder / RECORD).write_text(text, encoding="latin-1")
    with pytest.raises(StarlakeError, match=r"\.starlake-dagster\.json is damaged"):
        run(output, FILES, clean=True)
    assert (tmp_path / "precious.py").exists()


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StarlakeError, match="cannot be written to"):
        run(GeneratedFolder(tmp_path / "file"), FILES)


def test_forced_cleaning_removes_edited_files_that_were_generated_and_nothing_else(output: GeneratedFolder) -> None:
    run(output, FILES)
    (output.folder / "below" / "b.py").write_text("by hand\n")
    (output.folder / "foreign.py").write_text("by hand\n")
    steps = output.plan(FILES[:1], clean=True, force=True)
    assert [(step.name, step.change, step.loses) for step in steps] == [
        ("a.py", FileChange.UNCHANGED, False),
        ("below/b.py", FileChange.REMOVED, True),
    ]
    output.carry_out(steps)
    assert names(output) == ["a.py", "foreign.py"]
    assert not (output.folder / "below").exists()


def test_a_damaged_record_protects_nothing_when_replacing_is_forced(output: GeneratedFolder) -> None:
    run(output, FILES)
    (output.folder / RECORD).write_text("{")
    assert run(output, FILES, force=True) == {"a.py": FileChange.UNCHANGED, "below/b.py": FileChange.UNCHANGED}
    assert run(output, FILES) == {"a.py": FileChange.UNCHANGED, "below/b.py": FileChange.UNCHANGED}


def test_a_removed_file_makes_room_for_a_folder(output: GeneratedFolder) -> None:
    run(output, [DagFile("below", "0\n", "x")])
    assert run(output, FILES, clean=True)["below/b.py"] is FileChange.NEW
    assert names(output) == ["a.py", "below/b.py"]
