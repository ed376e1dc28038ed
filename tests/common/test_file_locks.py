from __future__ import annotations

import errno
import fcntl
import subprocess
import sys

import pytest

from ai.starlake.common.file_locks import FileLock, LocksRefusedError, check_range_locks

REFUSALS = [errno.ENOLCK, errno.ENOSYS, errno.EACCES, errno.EOPNOTSUPP]
HOLDER = """
import sys
from pathlib import Path
from ai.starlake.common.file_locks import FileLock
lock = FileLock(Path(sys.argv[1]), fix="")
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def test_one_holder_at_a_time_in_a_process(tmp_path):
    first, second = (FileLock(tmp_path / "x.lock", fix="") for _ in range(2))
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()


def test_a_killed_holder_frees_the_lock(tmp_path):
    path = tmp_path / "x.lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "True\n"
    assert not FileLock(path, fix="").acquire()
    holder.kill()
    holder.communicate()
    assert FileLock(path, fix="").acquire()


def refuse(monkeypatch, name, code):
    def refusing(*_):
        raise OSError(code, "refused")

    monkeypatch.setattr(fcntl, name, refusing)


@pytest.mark.parametrize("code", REFUSALS)
def test_a_file_system_that_refuses_locks_is_named(tmp_path, monkeypatch, code):
    refuse(monkeypatch, "flock", code)
    with pytest.raises(LocksRefusedError, match=r"x\.lock cannot be locked\n.*refuses locks: .*\n.*do this"):
        FileLock(tmp_path / "x.lock", fix="do this").acquire()


@pytest.mark.parametrize("code", REFUSALS)
def test_range_locks_are_tried_on_a_file_that_nobody_holds(tmp_path, monkeypatch, code):
    path = tmp_path / "data.db"
    check_range_locks(path, fix="")
    refuse(monkeypatch, "lockf", code)
    with pytest.raises(LocksRefusedError, match=r"data\.db cannot be locked"):
        check_range_locks(path, fix="")
    assert list(tmp_path.iterdir()) == []
