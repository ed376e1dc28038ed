"""The examples of docs/engine-tables.md: what types accept, and what write strategies leave in a table."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
import yaml

from ai.starlake.embedded import Engine
from tests.documentation import markdown_tables

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "engine-tables.md").read_text("utf-8")
APPLICATION = {
    "connectionRef": "duckdb",
    "connections": {
        "duckdb": {"type": "jdbc", "options": {"url": "jdbc:duckdb:{{SL_ROOT}}/datasets/duckdb.db"}},
    },
}


def rows_of(section: str, number: int = 0) -> list[list[str]]:
    """Return the cells of a table of a section, without backticks around them."""
    return [[cell.strip(" `") for cell in row] for row in markdown_tables.rows_of(PAGE, section, number)]


def write(file: Path, **content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({"version": 1, **content}), encoding="utf-8")


def project(root: Path, tables: dict[str, dict[str, object]]) -> Engine:
    """Return a project with tables of a domain `shop`, each loaded from files that begin with its name and a dash."""
    metadata = {"directory": "{{SL_ROOT}}/incoming", "format": "DSV", "separator": ";", "withHeader": True}
    write(root / "metadata/application.sl.yml", application=APPLICATION)
    write(root / "metadata/load/shop/_config.sl.yml", load={"name": "shop", "metadata": metadata})
    for name, table in tables.items():
        write(root / f"metadata/load/shop/{name}.sl.yml", table={"name": name, "pattern": f"{name}-.*", **table})
    (root / "incoming").mkdir()
    return Engine.open(root)


def column(root: Path, query: str) -> list[object]:
    with duckdb.connect(str(root / "datasets/duckdb.db"), read_only=True) as database:
        return [row[0] for row in database.sql(query).fetchall()]


def test_types_accept_and_reject_what_the_page_says(tmp_path: Path) -> None:
    rows = rows_of("Types")
    attributes = {kind: [{"name": "id", "type": "string"}, {"name": "value", "type": kind}] for kind, *_ in rows}
    engine = project(tmp_path, {f"of_{kind}": {"attributes": columns} for kind, columns in attributes.items()})
    for kind, accepted, rejected in rows:
        lines = ["id;value", f"good;{accepted}", *([f"bad;{rejected}"] if rejected else [])]
        (tmp_path / f"incoming/of_{kind}-1.csv").write_text("\n".join(lines) + "\n")
    engine.stage()
    engine.load(["shop"])
    assert len(rows) > 5
    assert {kind: column(tmp_path, f"SELECT id FROM shop.of_{kind}") for kind, *_ in rows} == {
        kind: ["good"] for kind, *_ in rows
    }


@pytest.fixture(scope="module")
def strategies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a table for each strategy, after both deliveries."""
    root = tmp_path_factory.mktemp("strategies")
    tables: dict[str, dict[str, object]] = {}
    attributes = [{"name": "id", "type": "long"}, {"name": "name", "type": "string"}, {"name": "day", "type": "date"}]
    for strategy, needs, _ in rows_of("Write strategies", 1):
        write_strategy: dict[str, object] = {"type": strategy}
        if "key" in needs:
            write_strategy["key"] = ["id"]
        if "timestamp" in needs:
            write_strategy["timestamp"] = "day"
        metadata: dict[str, object] = {"writeStrategy": write_strategy}
        if "partition" in needs:
            metadata["sink"] = {"partition": ["day"]}
        tables[strategy.lower()] = {"metadata": metadata, "attributes": attributes}
    engine = project(root, tables)
    deliveries = rows_of("Write strategies")
    for number in ("first", "second"):
        lines = [";".join(cells) for which, *cells in deliveries if which == number]
        for table in tables:
            (root / f"incoming/{table}-{number}.csv").write_text("\n".join(["id;name;day", *lines]) + "\n")
        engine.stage()
        assert engine.load(["shop"]).failures == ()
    return root


@pytest.mark.parametrize(("strategy", "needs", "expected"), rows_of("Write strategies", 1))
def test_a_strategy_leaves_the_rows_that_the_page_shows(
    strategy: str, needs: str, expected: str, strategies: Path
) -> None:
    assert needs == "" or needs.startswith(("key", "partition"))
    names = column(strategies, f"SELECT name FROM shop.{strategy.lower()} ORDER BY name")
    assert ", ".join(map(str, names)) == expected


def test_versions_have_the_columns_that_the_page_names(strategies: Path) -> None:
    named = re.findall(r"`(sl_\w+_ts)`", PAGE)
    assert len(named) == 2
    closed = column(strategies, f"SELECT name FROM shop.scd2 WHERE {named[1]} IS NOT NULL ORDER BY name")
    assert "Ben" in closed


def test_every_format_and_strategy_of_the_engine_is_on_the_page() -> None:
    overview = (Path(__file__).resolve().parents[2] / "docs" / "embedded.md").read_text("utf-8")
    formats = re.search(r"^\| formats \|(.*)$", overview, re.MULTILINE)
    named = re.search(r"^\| write strategies \|(.*?);", overview, re.MULTILINE)
    assert formats
    assert named
    assert {row[0] for row in rows_of("Formats")} == set(re.findall(r"\b[A-Z_]{3,}\b", formats[1]))
    assert {row[0] for row in rows_of("Write strategies", 1)} == set(re.findall(r"\b[A-Z_0-9]{4,}\b", named[1]))
