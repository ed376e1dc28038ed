"""The pages about project files and the engine: their files make a project that runs, and their commands run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from ai.starlake.embedded.cli.main import starlake

ROOT = Path(__file__).resolve().parents[2]
FILES = re.findall(
    r"^```(?:yaml|sql)\n(?:#|--) (metadata/\S+)\n(.*?)^```",
    (ROOT / "docs" / "project-files.md").read_text("utf-8"),
    flags=re.MULTILINE | re.DOTALL,
)


INVOICES = """id,customer,sold_on,amount,phone
1, Ada ,04/11/2026,12.00,0612345678
2,Ben,05/11/2026,,0698765432
3,Cleo,2026-11-05,3.00,
"""


def test_the_project_of_the_page_about_project_files_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process; the quick start has processes of its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SL_")]:
        monkeypatch.delenv(name)
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "incoming" / "sales").mkdir(parents=True)
    (tmp_path / "incoming" / "sales" / "invoices-1.csv").write_text(INVOICES, encoding="utf-8")
    expectations = ROOT / "ai/starlake/embedded/cli/templates/starter/metadata/expectations"
    shutil.copytree(expectations, tmp_path / "metadata" / "expectations")
    for arguments in (["validate"], ["stage"], ["load"], ["transform", "--name", "kpi.revenue", "--recursive"]):
        ran = CliRunner().invoke(starlake, arguments)
        assert ran.exit_code == 0, ran.output
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
