"""The first hour, word for word: what README.md and the pages for beginners say, typed into a shell on a fresh machine.

Each page has a fresh environment, made as the page says: docs/first-hour/starlake.md, docs/first-hour/dagster.md and
docs/first-hour/starlake-dagster.md.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ai.starlake.dagster.cli.new_project import make_location
from tests.dagster.recorded_run import made_and_checked
from tests.documentation.code_blocks import blocks_of
from tests.packaging.follow_page import follow

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "first-hour"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "datasets" / "duckdb.db"), read_only=True) as database:
        return database.sql(query).fetchall()


def test_a_starlake_project_becomes_tables_and_a_running_dagster(tmp_path: Path, wheels: dict[str, Path]) -> None:
    printed = follow(blocks_of(PAGES / "starlake.md"), tmp_path, wheels["starlake_jobs"].parent)
    assert {"asset rental/rides", "asset usage/bike_usage"} <= set(printed.splitlines())
    assert "starlake load --domains sales --tables invoices" in printed
    assert "Validation successful for code location on_starlake.py" in printed
    shop = tmp_path / "shop"
    assert rows(shop, "SELECT id FROM sales.invoices ORDER BY id") == [(1,), (2,), (3,), (4,)]
    assert rows(shop, "SELECT count(*) > 0 FROM usage.bike_usage") == [(True,)]
    [(line, error)] = rows(shop, "SELECT line, error FROM audit.rejected")
    assert line == 3
    assert "tomorrow" in str(error)
    assert "tomorrow" in printed


def test_a_user_of_dagster_adds_an_asset_to_those_of_a_project(tmp_path: Path, wheels: dict[str, Path]) -> None:
    blocks = blocks_of(PAGES / "dagster.md")
    assert {block.title: block.text for block in blocks}["definitions.py"] == made_by_init(tmp_path / "init")
    printed = follow(blocks, tmp_path, wheels["starlake_jobs"].parent)
    assert {"asset rental/rides", "asset usage/bike_usage"} <= set(printed.splitlines())
    project = tmp_path / "rental"
    made, checked = made_and_checked(project)
    assert made == {"rental/bikes", "rental/rides", "usage/bike_usage", "usage/daily_rides", "idle_bikes"}
    assert checked["rental/bikes:unique_bike_id"] == "passed"
    assert checked["usage/daily_rides:at_least_1"] == "passed"
    not_passed = {name: result for name, result in checked.items() if result != "passed"}
    assert not_passed == {"rental/rides:between_minutes_1_720": "WARN", "rental/rides:rejected_rows": "WARN"}
    assert rows(project, "SELECT count(*) FROM rental.rides") == [(27,)]
    assert rows(project, "SELECT count(*) FROM audit.rejected") == [(1,)]
    assert rows(project, "SELECT count(*) FROM usage.bike_usage") == [(7,)]


def made_by_init(folder: Path) -> str:
    make_location(folder, "embedded")
    return (folder / "definitions.py").read_text("utf-8")


def test_a_user_of_starlake_dagster_keeps_a_dag_file(tmp_path: Path, wheels: dict[str, Path]) -> None:
    theirs = 'python3 -m venv .venv\nsource .venv/bin/activate\npip install "starlake-dagster==0.5.10"\n'
    follow(blocks_of(PAGES / "starlake-dagster.md"), tmp_path, wheels["starlake_jobs"].parent, before=theirs)
    shop = tmp_path / "shop"
    assert rows(shop, "SELECT count(*) FROM rental.rides") == [(24,)]
    assert rows(shop, "SELECT count(*) FROM rental.bikes") == [(7,)]
    assert (shop / "metadata" / ".build" / "dags" / "usage_transform.py").exists()
