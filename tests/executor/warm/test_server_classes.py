"""The class files of the server are committed: they have to be those of its source."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from ai.starlake.executor.warm.launch import SERVER_CLASSES
from tests.executor.warm.fake_starlake import NO_JDK, jdk

_COMPILED_WITH = 17
"""The class files that another major version makes have the same behaviour, and other bytes."""


def _digests(folder):
    files = [*folder.glob("*.java"), *folder.glob("*.class")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_class_files_were_made_of_this_source():
    recorded = dict(line.split()[::-1] for line in (SERVER_CLASSES / "SHA256SUMS").read_text().splitlines())
    assert recorded == _digests(SERVER_CLASSES), "run `make warm-server` after a change of the Java source"
    assert any(name.endswith(".class") for name in recorded)


@pytest.mark.slow
def test_compiling_the_source_makes_these_class_files(tmp_path):
    if not jdk():
        pytest.skip(NO_JDK)
    sources = [str(path) for path in sorted(SERVER_CLASSES.glob("*.java"))]
    subprocess.run(["javac", "--release", "11", "-Xlint:all", "-Werror", "-d", tmp_path, *sources], check=True)
    version = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=True).stdout
    made, kept = (
        _digests(tmp_path),
        {name: value for name, value in _digests(SERVER_CLASSES).items() if name in _names()},
    )
    assert made.keys() == kept.keys()
    if version.split()[1].startswith(f"{_COMPILED_WITH}."):
        assert made == kept


def _names():
    return {path.name for path in SERVER_CLASSES.glob("*.class")}


def test_the_server_is_short_enough_to_be_read():
    lines = {path.name: len(path.read_text().splitlines()) for path in SERVER_CLASSES.glob("*.java")}
    assert lines.keys() >= {"StarlakeWarmServer.java", "StarlakeWarmCommand.java"}
    assert max(lines.values()) < 200
