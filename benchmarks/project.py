"""A Starlake project on DuckDB, as small as one can be that has a given number of tables."""

from __future__ import annotations

from pathlib import Path

_APPLICATION = """\
version: 1
application:
  connectionRef: duckdb
  connections:
    duckdb:
      type: jdbc
      options:
        url: "jdbc:duckdb:{{SL_ROOT}}/datasets/duckdb.db"
        driver: org.duckdb.DuckDBDriver
"""
_TABLE = """\
version: 1
table:
  name: {table}
  pattern: "{table}-.*.csv"
  attributes:
    - name: id
      type: long
"""


def make_project(root: Path, domains: dict[str, list[str]]) -> Path:
    """Writes the project; returns its folder."""
    metadata = root / "metadata"
    metadata.mkdir(parents=True)
    (metadata / "application.sl.yml").write_text(_APPLICATION, encoding="utf-8")
    for domain, tables in domains.items():
        folder = metadata / "load" / domain
        folder.mkdir(parents=True)
        (folder / "_config.sl.yml").write_text(f"version: 1\nload:\n  name: {domain}\n", encoding="utf-8")
        for table in tables:
            (folder / f"{table}.sl.yml").write_text(_TABLE.format(table=table), encoding="utf-8")
    return root
