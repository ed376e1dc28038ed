"""`make demo`, run as it is: real Dagster, real commands, on a scratch copy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.bakery import SAMPLE, assert_every_row_is_loaded_or_rejected
from tests.waiting import PATIENCE, reserved_port

ROOT = Path(__file__).resolve().parents[2]


def demo(script: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), "--home", str(home), *arguments]
    environment = {**os.environ, "COLUMNS": "160", "SL_ROOT": "/nowhere", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)


@dataclass(frozen=True)
class Done:
    """A demo that has ended."""

    home: Path
    process: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def done_demo(tmp_path_factory: pytest.TempPathFactory) -> Done:
    before = {path: path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    home = tmp_path_factory.mktemp("demo") / "home"
    done = demo(ROOT / "samples" / "demo.py", home, "--port", "3456")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()} == before
    return Done(home, done)


RUNS = """{ shouldShowNux runsOrError { ... on Runs { results {
    runId status jobName repositoryOrigin { repositoryLocationName repositoryName } } } } }"""


@pytest.mark.slow
def test_the_ui_opens_on_the_run_in_its_timeline_and_shows_no_dialog(done_demo: Done) -> None:
    command = [sys.executable, str(ROOT / "samples" / "demo.py"), "--home", str(done_demo.home)]
    log = done_demo.home / "ui.log"
    with reserved_port() as port, log.open("w") as out:
        server = subprocess.Popen([*command, "--ui", "--port", str(port)], stdout=out, stderr=out)
        try:
            answer = ask(f"http://127.0.0.1:{port}/graphql", RUNS, server, log)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(PATIENCE)
    assert f"http://localhost:{port}" in log.read_text("utf-8")
    assert answer["shouldShowNux"] is False
    (run,) = answer["runsOrError"]["results"]
    assert f"http://localhost:3456/runs/{run['runId']}" in done_demo.process.stdout
    assert (run["status"], run["jobName"]) == ("SUCCESS", "starbake")
    # by its origin the timeline and the pages of the job and its assets find a run
    assert run["repositoryOrigin"] == {"repositoryLocationName": "definitions.py", "repositoryName": "__repository__"}


def ask(url: str, query: str, server: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 240
    while True:
        assert server.poll() is None, log.read_text("utf-8")[-3000:]
        assert time.monotonic() < deadline, log.read_text("utf-8")[-3000:]
        try:
            answer: dict[str, Any] = requests.post(url, json={"query": query}, timeout=30).json()
        except requests.ConnectionError:
            time.sleep(0.5)
            continue
        assert "errors" not in answer, answer
        return answer["data"]


@pytest.mark.slow
def test_the_demo_loads_every_row_or_rejects_it(done_demo: Done) -> None:
    done, project = done_demo.process, done_demo.home / "starbake"
    assert "make ui PORT=3456" in done.stdout
    assert "kpis.DailySales" in done.stdout
    assert "warn    starbake/Ingredients: between_price_0_12" in done.stdout
    assert "/asset-groups" in done.stdout

    assert not list((project / "incoming" / "starbake").iterdir())
    accepted = assert_every_row_is_loaded_or_rejected(project / "datasets" / "duckdb.db")
    assert [table for table, count in accepted.items() if str(count) not in done.stdout] == []


@pytest.mark.slow
def test_the_demo_fails_when_a_transform_does(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    copy = subprocess.run(["cp", "-R", str(ROOT / "samples"), str(samples)], check=False)
    assert copy.returncode == 0
    broken = samples / "starbake" / "metadata" / "transform" / "kpis" / "DailySales.sql"
    broken.write_text("SELECT no_such_column FROM starbake.Orders", encoding="utf-8")
    done = demo(samples / "demo.py", tmp_path / "home")
    assert done.returncode == 1
    assert "no_such_column" in done.stdout
    assert "kpis__DailySales" in done.stdout
