"""`make demo`, run as it is: real Dagster, real commands, on a scratch copy."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "starbake"
DELIVERED = SAMPLE / "incoming" / "starbake"
TABLES = ["Customers", "Ingredients", "Orders", "Products"]


def demo(script: Path, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), "--home", str(home)]
    environment = {**os.environ, "COLUMNS": "160", "SL_ROOT": "/nowhere", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)


def delivered_rows(table: str, files: Iterator[Path]) -> int:
    if table == "Orders":
        return sum(len(json.loads(file.read_text("utf-8"))) for file in files)
    if table == "Products":
        return sum(len(file.read_text("utf-8").splitlines()) for file in files)
    return sum(len(list(csv.DictReader(file.open(encoding="utf-8"), delimiter="\t"))) for file in files)


@pytest.mark.slow
def test_the_demo_loads_every_row_or_rejects_it(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    done = demo(ROOT / "samples" / "demo.py", tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "make ui" in done.stdout
    assert "kpis.DailySales" in done.stdout
    assert {path: path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()} == before

    project = tmp_path / "home" / "starbake"
    assert not list((project / "incoming" / "starbake").iterdir())
    with duckdb.connect(str(project / "datasets" / "duckdb.db"), read_only=True) as connection:
        counts = connection.sql("""
            SELECT "schema", sum(count), sum(countaccepted), sum(countrejected)
            FROM audit.audit WHERE step = 'LOAD' AND success GROUP BY ALL ORDER BY 1
        """).fetchall()
        assert [table for table, *_ in counts] == TABLES
        for table, read, accepted, rejected in counts:
            assert read == delivered_rows(table, DELIVERED.glob(f"{table.lower()}_*"))
            assert accepted + rejected == read
            assert accepted > rejected > 0
            assert str(int(accepted)) in done.stdout
        days = connection.sql("SELECT order_count, revenue, margin FROM kpis.DailySales").fetchall()
        [(orders, total)] = connection.sql("SELECT count(*), round(sum(total), 2) FROM starbake.Orders").fetchall()
    assert len(days) == 3
    assert sum(count for count, *_ in days) == orders
    assert sum(revenue for _, revenue, _ in days) == pytest.approx(total)
    assert all(0 < margin < revenue for _, revenue, margin in days)


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
    assert "kpis_DailySales" in done.stdout
