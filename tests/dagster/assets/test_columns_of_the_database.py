"""Column types of specs before a run equal those in the database after the engine ran."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from ai.starlake.dagster import build_starlake_asset_specs
from ai.starlake.embedded.engine import Engine
from ai.starlake.embedded.transform.task_run import TransformRequest
from tests.dagster.assets.conftest import SAMPLE, Folder, by_key, columns_of


def described(database: Path) -> dict[str, dict[str, str]]:
    """Return the columns of all tables in a database, and their types."""
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(
            "SELECT schema_name || '/' || table_name, column_name, data_type FROM duckdb_columns()"
            " WHERE NOT internal ORDER BY column_index"
        ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, column, type_ in rows:
        found.setdefault(table, {})[column] = type_
    return found


def expected(root: Path) -> dict[str, dict[str, str]]:
    """Return the columns of all assets, and their types."""
    specs = by_key(build_starlake_asset_specs(root))
    return {name: {each.name: each.type for each in columns_of(spec).values()} for name, spec in specs.items()}


def run(root: Path, *tasks: str) -> dict[str, dict[str, str]]:
    engine = Engine.open(root, environment={})
    engine.stage()
    assert not engine.load().failures
    for task in tasks:
        engine.transform(TransformRequest(task, recursive=True))
    return described(root / "datasets/duckdb.db")


def compare(found: dict[str, dict[str, str]], wanted: dict[str, dict[str, str]]) -> None:
    for table, columns in wanted.items():
        assert list(found[table]) == list(columns), table
        certain = {name: type_ for name, type_ in columns.items() if type_ != "unknown"}
        assert {name: found[table][name] for name in certain} == certain, table


def test_the_sample(tmp_path: Path) -> None:
    root = tmp_path / "starbake"
    shutil.copytree(SAMPLE, root)
    compare(run(root, "kpis.DailySales"), expected(root))


def test_types_names_and_strategies(folder: Folder) -> None:
    folder.write(
        "load/shop/_config.sl.yml",
        'version: 1\nload:\n  name: shop\n  metadata: {directory: "{{SL_ROOT}}/incoming", separator: ","}\n',
    )
    names = ("string", "int", "long", "short", "byte", "double", "decimal", "boolean", "date", "timestamp")
    attributes = "".join(f"    - {{name: c_{name}, type: {name}}}\n" for name in names)
    folder.write(
        "load/shop/all.sl.yml",
        "version: 1\ntable:\n  name: all\n  pattern: all.*\n  attributes:\n"
        + attributes
        + "    - {name: old, type: int, rename: new}\n    - {name: gone, type: int, ignore: true}\n"
        + "    - {name: twice, type: long, script: c_long * 2}\n",
    )
    folder.table("shop", "versions", more="metadata:\n  writeStrategy: {type: SCD2, key: [id]}\n")
    folder.task(
        "kpi",
        "result",
        'SELECT *, c_int::TEXT AS "As Text", CAST(c_int AS DECIMAL(10, 2)) AS price, c_int::INT AS i, c_int::REAL AS r,'
        " c_date::TIMESTAMPTZ AS z, c_int IS NULL AS missing, count(*) OVER () AS n, c_int::NUMERIC AS m FROM shop.all",
    )
    folder.task("kpi", "later", "SELECT * EXCLUDE (r) FROM kpi.result", "version: 1\ntask:\n  table: last\n")
    incoming = folder.root / "incoming"
    incoming.mkdir()
    header = ",".join([*(f"c_{name}" for name in names), "old", "gone"])
    row = "a,1,2,3,4,1.5,2.5,true,2024-01-01,2024-01-01T10:00:00Z,7,8"
    (incoming / "all1.csv").write_text(f"{header}\n{row}\n")
    (incoming / "versions1.csv").write_text("id\n1\n")
    compare(run(folder.root, "kpi.later"), expected(folder.root))
