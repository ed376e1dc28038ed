"""Temporary folders: the next command removes what killed ones left, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ai.starlake.embedded.scratch import scratch_folder

HOLD = """
import sys, time
from ai.starlake.embedded.scratch import scratch_folder
with scratch_folder() as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def age(folder: Path, hours: float) -> None:
    past = time.time() - hours * 3600
    os.utime(folder, (past, past))


def test_a_folder_is_private_and_goes_in_the_end(tmp_path: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_command_left_is_removed_when_it_is_old_and_nobody_holds_it(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    held = Path(holder.stdout.readline().strip())
    (held / "rows").write_text("x")
    age(held, 2)
    try:
        with scratch_folder():
            assert held.exists()
    finally:
        holder.kill()
        holder.wait()
    with scratch_folder():
        assert not held.exists()


@pytest.mark.parametrize("name", ["starlake-of-mine", ".starlake-scratch-fresh"])
def test_other_and_fresh_folders_stay(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    if name == "starlake-of-mine":
        age(folder, 48)
    with scratch_folder():
        pass
    assert folder.exists()
