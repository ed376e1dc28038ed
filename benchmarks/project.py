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
_DOMAIN = """\
version: 1
load:
  name: {domain}
  metadata:
    directory: "{landing}"
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


TABLES_PER_DOMAIN = 50


def domains(tables: int) -> dict[str, list[str]]:
    """Names of domains with those of their tables."""
    names = [f"table_{number}" for number in range(tables)]
    starts = range(0, tables, TABLES_PER_DOMAIN)
    return {f"domain_{start // TABLES_PER_DOMAIN}": names[start : start + TABLES_PER_DOMAIN] for start in starts}


def make_project(root: Path, domains: dict[str, list[str]]) -> Path:
    """Write the project; return its folder."""
    metadata = root / "metadata"
    metadata.mkdir(parents=True)
    (metadata / "application.sl.yml").write_text(_APPLICATION, encoding="utf-8")
    for domain, tables in domains.items():
        folder = metadata / "load" / domain
        folder.mkdir(parents=True)
        landing = root / "datasets" / "incoming" / domain
        landing.mkdir(parents=True)
        config = _DOMAIN.format(domain=domain, landing=landing)
        (folder / "_config.sl.yml").write_text(config, encoding="utf-8")
        for table in tables:
            (folder / f"{table}.sl.yml").write_text(_TABLE.format(table=table), encoding="utf-8")
    return root


_COLUMNS = {"key": "long", "label": "string", "amount": "double", "day": "date", "at": "timestamp"}
_TASK = """\
WITH kept AS (SELECT key, label, amount FROM {domain}.{table} WHERE day IS NOT NULL)
SELECT kept.key AS id, kept.label AS name, sum(kept.amount) AS total, count(*) AS n, max(other.at) AS last
FROM kept JOIN {other} AS other ON other.key = kept.key
GROUP BY ALL
"""


def make_asset_project(root: Path, domains: dict[str, list[str]]) -> Path:
    """Write a project whose tables have five columns and an expectation, and as many tasks that read two of them."""
    make_project(root, domains)
    attributes = "".join(f"    - {{name: {name}, type: {type_}}}\n" for name, type_ in _COLUMNS.items())
    pairs = [(domain, table) for domain, tables in domains.items() for table in tables]
    for number, (domain, table) in enumerate(pairs):
        text = _TABLE.format(table=table).partition("    - name")[0] + attributes
        text += "  expectations:\n    - expect: \"unique('key')\"\n"
        (root / "metadata" / "load" / domain / f"{table}.sl.yml").write_text(text, encoding="utf-8")
        task = root / "metadata" / "transform" / f"kpi_{domain}" / f"{table}.sql"
        task.parent.mkdir(parents=True, exist_ok=True)
        other = ".".join(pairs[(number + 1) % len(pairs)])
        task.write_text(_TASK.format(domain=domain, table=table, other=other), encoding="utf-8")
    return root
