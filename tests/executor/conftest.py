from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage import Files
from ai.starlake.executor import Execution
from tests.waiting import wait_for, whole_lines


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.infos: list[str] = []
        self.warnings: list[str] = []

    def output(self, stream, line):
        self.lines.append((stream, line))

    def info(self, message):
        self.infos.append(message)

    def warning(self, message):
        self.warnings.append(message)

    def of(self, stream):
        return [line for from_stream, line in self.lines if from_stream == stream]

    def everything(self):
        return "\n".join([*self.infos, *self.warnings, *(line for _, line in self.lines)])


class FolderFacts:
    """The facts of a project whose areas are folders of `datasets` and whose DuckDB file lies there."""

    files = Files()

    def __init__(self, root: str, environment) -> None:
        self.datasets = Path(root) / "datasets"

    def duckdb_file(self, domain=None, table=None, *, task=None):
        return self.datasets / "duckdb.db"

    def table_pattern(self, domain, table):
        return re.compile(rf"{table}-.*\.csv")

    def area(self, name, domain):
        return str(self.datasets / name / domain)


class UnreadableFacts:
    def __init__(self, root: str, environment) -> None:
        raise StarlakeError("metadata/application.sl.yml cannot be read")


@pytest.fixture
def report():
    return Recorder()


@pytest.fixture
def execution(report):
    return Execution("run-1", "step-1", report)


@pytest.fixture
def facts():
    return FolderFacts


@pytest.fixture
def unreadable_facts():
    return UnreadableFacts


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return the root of a project, known by SL_ROOT."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.setenv("SL_ROOT", str(root))
    return root


@pytest.fixture
def cli(tmp_path) -> Callable[[str], str]:
    """Return a function that writes an executable in Python and returns its path."""

    def write(body: str, name: str = "starlake") -> str:
        path = tmp_path / name
        path.write_text(f"#!{sys.executable} -S\nimport os, sys, time, json\n{dedent(body)}")
        path.chmod(0o755)
        return str(path)

    return write


@pytest.fixture
def driver(tmp_path):
    """Start Python code in a process of its own, which tests may kill."""
    started = []

    def start(body: str, *arguments: str, **environment: str) -> subprocess.Popen:
        path = tmp_path / f"driver{len(started)}.py"
        path.write_text(dedent(body))
        process = subprocess.Popen(
            [sys.executable, str(path), *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def pids(tmp_path):
    """Return the folder for process ids of scripts: `echo $$ > $PIDS/name`."""
    folder = tmp_path / "pids"
    folder.mkdir()

    class Pids:
        path = str(folder)

        def wait_for(self, *names: str) -> list[int]:
            def noted():
                lines = [whole_lines(folder / name) for name in names]
                return all(lines) and [int(line) for (line,) in lines]

            return wait_for(f"{names} to start", noted, seen=lambda: list(folder.iterdir()))

    return Pids()
