"""The first hour, word for word: what the pages for beginners say, typed into a shell on a fresh machine."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "first-hour" / "starlake.md").read_text("utf-8")
COMMANDS = re.findall(r"^```bash\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
FILES = re.findall(
    r"^```(?:yaml|sql)\n(?:#|--) (metadata/\S+)\n(.*?)^```",
    (ROOT / "docs" / "project-files.md").read_text("utf-8"),
    flags=re.MULTILINE | re.DOTALL,
)


def checkout(folder: Path) -> Path:
    """A copy of what a fresh clone has."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def fresh_environment() -> dict[str, str]:
    """The environment of somebody who has just opened a terminal, with the Python of these tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SL_", "DAGSTER_", "PYTHON"))}
    kept.pop("VIRTUAL_ENV", None)
    return {**kept, "PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_page_for_beginners_ends_with_tables_and_a_running_dagster(tmp_path: Path) -> None:
    *steps, serve = COMMANDS
    assert serve.startswith("dagster dev ")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = checkout(tmp_path / "checkout")
    script = "\n".join(["set -euo pipefail", *steps, f"exec {serve.strip()} -p {port}"])
    log = tmp_path / "log"
    with log.open("w") as out:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=fresh_environment(),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        jobs = ask_for_jobs(f"http://127.0.0.1:{port}/graphql", shell, log)
    finally:
        shell.send_signal(signal.SIGINT)
        try:
            shell.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
    assert {"sales_load", "usage_transform"} <= jobs
    with duckdb.connect(str(folder / "shop" / "datasets" / "duckdb.db"), read_only=True) as database:
        assert database.sql("SELECT id FROM sales.invoices ORDER BY id").fetchall() == [(1,), (2,), (3,), (4,)]
        assert database.sql("SELECT count(*) > 0 FROM usage.bike_usage").fetchall() == [(True,)]
        [(line, error)] = database.sql("SELECT line, error FROM audit.rejected").fetchall()
    assert line == 3
    assert "tomorrow" in error
    assert "tomorrow" in log.read_text("utf-8")


def ask_for_jobs(url: str, shell: subprocess.Popen[bytes], log: Path) -> set[str]:
    query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } } } } }"
    while True:
        assert shell.poll() is None, log.read_text("utf-8")[-5000:]
        try:
            answer = requests.post(url, json={"query": query}, timeout=30).json()
        except requests.ConnectionError:
            time.sleep(0.5)
            continue
        nodes = answer["data"]["repositoriesOrError"]["nodes"]
        return {job["name"] for node in nodes for job in node["jobs"]}


INVOICES = """id,customer,sold_on,amount,phone
1, Ada ,04/11/2026,12.00,0612345678
2,Ben,05/11/2026,,0698765432
3,Cleo,2026-11-05,3.00,
"""


def test_the_project_of_the_page_about_project_files_runs(tmp_path: Path) -> None:
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "incoming" / "sales").mkdir(parents=True)
    (tmp_path / "incoming" / "sales" / "invoices-1.csv").write_text(INVOICES, encoding="utf-8")
    expectations = ROOT / "ai/starlake/embedded/cli/templates/starter/metadata/expectations"
    shutil.copytree(expectations, tmp_path / "metadata" / "expectations")
    for arguments in (["validate"], ["stage"], ["load"], ["transform", "--name", "kpi.revenue", "--recursive"]):
        run_embedded(tmp_path, *arguments)
    with duckdb.connect(str(tmp_path / "datasets" / "duckdb.db"), read_only=True) as database:
        found = database.sql(
            "SELECT id, customer, sold_on, amount::DOUBLE, net::DOUBLE, phone FROM sales.invoices ORDER BY 1"
        )
        assert [tuple(map(str, row)) for row in found.fetchall()] == [
            ("1", "Ada", "2026-11-04", "12.0", "10.0", ""),
            ("2", "Ben", "2026-11-05", "0.0", "0.0", ""),
        ]
        assert len(database.sql("FROM kpi.revenue").fetchall()) == 2
        [(error,)] = database.sql("SELECT error FROM audit.rejected").fetchall()
    assert "`sold_on` (french_date) doesn't match pattern `dd/MM/yyyy`: 2026-11-05" in error


def test_the_quick_start_of_the_engine_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "embedded.md").read_text("utf-8").partition("## Quick start")[2]
    commands = re.findall(r"^\$ (starlake-embedded [^#\n]+)", page.partition("## ")[0], flags=re.MULTILINE)
    assert len(commands) >= 4
    folder = tmp_path
    for command in commands:
        run_embedded(folder, *command.split()[1:])
        folder = tmp_path / "shop"


def run_embedded(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("starlake-embedded")), *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("SL_")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
