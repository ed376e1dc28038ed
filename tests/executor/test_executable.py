from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ai.starlake.executor import ExecutableNotFoundError
from ai.starlake.executor.executable import find_executable


@pytest.fixture
def tool(tmp_path):
    path = tmp_path / "a folder" / "starlake tool"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_path_may_hold_blanks(tool):
    assert find_executable(str(tool), None) == [str(tool)]


def test_a_relative_path_becomes_absolute_because_the_folder_changes(tool, monkeypatch):
    monkeypatch.chdir(tool.parent.parent)
    assert find_executable("a folder/starlake tool", None) == [str(tool)]


def test_a_path_may_begin_at_home(tool, monkeypatch):
    monkeypatch.setenv("HOME", str(tool.parent))
    assert find_executable("~/starlake tool", None) == [str(tool)]


def test_a_name_is_looked_up_in_the_path_of_the_command(tool):
    assert find_executable("starlake tool", f"/nowhere:{tool.parent}") == [str(tool)]


def test_a_name_is_looked_up_beside_python(tool, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tool.parent / "python"))
    assert find_executable("starlake tool", "/nowhere") == [str(tool)]


def test_a_folder_of_path_may_be_relative(tool, monkeypatch):
    monkeypatch.chdir(tool.parent.parent)
    assert find_executable("starlake tool", "a folder") == [str(tool)]


def test_a_list_begins_with_the_executable():
    first, *others = find_executable([sys.executable, "-m", "a module"], None)
    assert (first, others) == (str(Path(sys.executable).absolute()), ["-m", "a module"])


def test_what_is_missing_is_named_with_where_it_was_looked_for_and_how_to_get_one():
    with pytest.raises(ExecutableNotFoundError) as caught:
        find_executable("starlake", "/some/folder")
    text = str(caught.value)
    for part in ("'starlake'", "/some/folder", str(Path(sys.executable).parent), "SL_STARLAKE_PATH", "[embedded]"):
        assert part in text


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(ExecutableNotFoundError, match="SL_STARLAKE_PATH") as caught:
        find_executable(f"{tmp_path}/starlake", None)
    assert f"{tmp_path}/starlake" in str(caught.value)


def test_a_folder_and_a_plain_file_say_what_to_do(tool):
    with pytest.raises(ExecutableNotFoundError, match="is a folder"):
        find_executable(str(tool.parent), None)
    tool.chmod(0o644)
    with pytest.raises(ExecutableNotFoundError, match="chmod"):
        find_executable(str(tool), None)


@pytest.mark.parametrize("nothing", ["", " ", []])
def test_an_empty_name_is_no_executable(nothing):
    with pytest.raises(ExecutableNotFoundError):
        find_executable(nothing, None)
