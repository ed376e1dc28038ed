from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile

import pytest

from ai.starlake.executor.warm.discovery import (
    CommandFile,
    Lifetime,
    ScopeFolder,
    ServerFile,
    UntrustedFileError,
    private_folder,
    running_commands,
)

FINGERPRINT = "f" * 64


@pytest.fixture
def owner():
    return Lifetime.of(os.getpid())


def ended_process() -> Lifetime:
    """Return a process that was given an id which another one may have by now."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    found = Lifetime.of(process.pid)
    process.communicate(b"\n")
    return found


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def written(slot, **changes):
    """Write the file of a server, as its guard does."""
    file = ServerFile.new(slot.folder)
    me = Lifetime.of(os.getpid())
    content = {**file.shared, "guard": [me.pid, me.began], "process": [me.pid, me.began], **changes}
    slot.server_file.write_text(json.dumps(content))
    slot.server_file.chmod(0o600)
    return slot.server_file


def test_the_folder_is_private(runtime):
    assert private_folder() == runtime / "starlake-warm"
    assert mode(private_folder()) == 0o700


@pytest.mark.parametrize("runtime_dir", ["", "/no/such/folder"])
def test_the_folder_is_among_temporary_files_where_there_is_no_other(tmp_path, monkeypatch, runtime_dir):
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime_dir)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert private_folder() == tmp_path / f"starlake-warm-{os.geteuid()}"
    assert mode(private_folder()) == 0o700


@pytest.mark.parametrize("others", [0o710, 0o704, 0o777])
def test_a_folder_that_others_may_use_is_refused(runtime, others):
    private_folder().chmod(others)
    with pytest.raises(UntrustedFileError, match=rf"its mode is 0{others:o}: others may use it\nTo fix it: "):
        private_folder()


def test_a_link_is_refused(runtime, tmp_path):
    (tmp_path / "elsewhere").mkdir(0o700)
    (runtime / "starlake-warm").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UntrustedFileError, match="it is a link"):
        private_folder()


def test_a_file_is_refused(runtime):
    (runtime / "starlake-warm").touch(0o600)
    with pytest.raises(UntrustedFileError, match="of another kind"):
        private_folder()


def test_a_folder_of_somebody_else_is_refused(runtime, monkeypatch):
    whose = private_folder().stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: whose + 1)
    with pytest.raises(UntrustedFileError, match=f"it belongs to user {whose}"):
        private_folder()


def test_scopes_and_owners_have_folders_of_their_own(runtime, owner):
    another = Lifetime(owner.pid, "before")
    folders = {ScopeFolder.of(scope, one).path for scope in ("run-1", "run-2") for one in (owner, another)}
    assert len(folders) == 4
    assert ScopeFolder.of("run-1", owner).path in folders
    assert {mode(folder) for folder in folders if folder.exists()} == {0o700}


def test_fingerprints_and_numbers_have_slots_of_their_own(runtime, owner):
    scope = ScopeFolder.of("run-1", owner)
    files = {scope.slot(fingerprint, number).server_file for fingerprint in ("a", "b") for number in (0, 1)}
    assert len(files) == 4


def test_a_server_is_read_as_it_was_written(runtime, owner):
    slot = ScopeFolder.of("run-1", owner).slot(FINGERPRINT, 0)
    assert slot.read() is None
    path = written(slot)
    server = slot.read()
    assert server.guard == server.process == owner
    assert server.may_serve
    assert server.shared == {
        name: value for name, value in json.loads(path.read_text()).items() if name in server.shared
    }
    assert server.token not in repr(server)


@pytest.mark.parametrize("others", [0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_refused(runtime, owner, others):
    slot = ScopeFolder.of("run-1", owner).slot(FINGERPRINT, 0)
    written(slot).chmod(others)
    with pytest.raises(UntrustedFileError, match=rf"its mode is 0{others:o}: others may use it"):
        slot.read()


def test_a_file_of_somebody_else_is_refused(runtime, owner, monkeypatch):
    slot = ScopeFolder.of("run-1", owner).slot(FINGERPRINT, 0)
    whose = written(slot).stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: whose + 1)
    with pytest.raises(UntrustedFileError, match=f"it belongs to user {whose}"):
        slot.read()


def test_a_link_to_a_file_is_refused(runtime, owner):
    scope = ScopeFolder.of("run-1", owner)
    slot, another = scope.slot(FINGERPRINT, 0), scope.slot(FINGERPRINT, 1)
    another.server_file.symlink_to(written(slot))
    with pytest.raises(UntrustedFileError, match="it cannot be opened"):
        another.read()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"mark": "m"', '{"mark": "m", "guard": 1}'])
def test_a_file_that_is_no_servers_is_refused(runtime, owner, text):
    slot = ScopeFolder.of("run-1", owner).slot(FINGERPRINT, 0)
    written(slot).write_text(text)
    with pytest.raises(UntrustedFileError):
        slot.read()


def test_an_id_that_was_given_again_is_another_process(runtime, owner):
    slot = ScopeFolder.of("run-1", owner).slot(FINGERPRINT, 0)
    written(slot, process=[os.getpid(), "12"])
    assert not slot.read().may_serve
    written(slot, guard=[os.getpid(), "12"])
    assert not slot.read().may_serve
    written(slot, process=[0, ""])
    assert slot.read().may_serve  # it is about to start


def test_folders_of_owners_that_are_gone_are_removed(runtime, owner):
    gone = ended_process()
    current, old = ScopeFolder.of("run-1", owner), ScopeFolder.of("run-1", gone)
    written(old.slot(FINGERPRINT, 0), process=[gone.pid, gone.began])
    ScopeFolder.of("run-2", owner)
    assert not old.path.exists()
    assert current.path.exists()


def test_a_folder_that_was_left_empty_is_removed_later(runtime, owner):
    left, new = private_folder() / "left", private_folder() / "new"
    for folder in (left, new):
        folder.mkdir(0o700)
    os.utime(left, (0, 0))
    ScopeFolder.of("run-1", owner)
    assert not left.exists()
    assert new.exists()


def test_folders_of_another_machine_stay(runtime, owner):
    another = ScopeFolder.of("run-1", ended_process())
    about = another.path / "owner.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "host": "another"}))
    ScopeFolder.of("run-2", owner)
    assert another.path.exists()


def test_one_process_of_a_scope_is_the_first_with_a_reason(runtime, owner):
    scope = ScopeFolder.of("run-1", owner)
    assert [scope.is_first(reason) for reason in "aab"] == [True, False, True]
    assert not ScopeFolder.of("run-1", owner).is_first("a")
    assert ScopeFolder.of("run-2", owner).is_first("a")


def test_a_reason_is_remembered_for_a_time(runtime, owner):
    scope = ScopeFolder.of("run-1", owner)
    assert scope.remembered(FINGERPRINT, 0) is None
    scope.remember(FINGERPRINT, "no java", 1000)
    assert scope.remembered(FINGERPRINT, 999) == "no java"
    assert scope.remembered(FINGERPRINT, 1000) is None
    assert scope.remembered("another", 999) is None


def test_a_running_command_is_known_as_long_as_its_server_runs(runtime, owner):
    assert list(running_commands()) == []
    assert not (runtime / "starlake-warm").exists()
    scope = ScopeFolder.of("run-1", owner)
    alive, dead = scope.slot(FINGERPRINT, 0), scope.slot(FINGERPRINT, 1)
    alive.write_command(CommandFile("run-1.step-1", "/project", "load", owner))
    dead.write_command(CommandFile("run-1.step-2", "/project", "load", ended_process()))
    assert [command.job_id for command in running_commands()] == ["run-1.step-1"]
    alive.remove_command()
    assert list(running_commands()) == []
    assert {mode(path) for path in scope.path.iterdir()} == {0o600}
