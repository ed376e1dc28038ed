"""Rows that are written while they are read leave what rows that are staged first leave."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.embedded.intake import direct, ingestion, reading

COLUMNS = {"id": "int", "label": "string", "day": "date"}
FILES = [
    "id;label;day\n1;a;2024-01-01\n2;b;2024-01-02\n",
    "id;label;day\nx;a;2024-01-01\n3;c;2024-02-30\n4;d;2024-03-01\n",
    "day;id\n2024-05-05;5\n2024-05-06;no\n",
    'id;label;day\n6;"q;r";2024-06-01\n7;"open;2024-06-01\n8;"h";never\n',
    "id;label;day\n",
    "id;label\n9;one;too;many\n10;j\n",
    *["id;label;day\n" + "".join(f"{place};ok;2024-01-01\n" for place in range(90)) + "bad;last;2024-01-01\n"],
]
STAGED = {"presql": ["SELECT 1"]}
"""Statements before a write make an ingestion stage its rows."""


def left_behind(shop):
    """Rows in their order, audit, rejects and files, without what depends on the time."""
    queries = {
        "rows": "SELECT * FROM shop.rows",
        "audit": "SELECT COUNT, COUNTACCEPTED, COUNTREJECTED, SUCCESS, MESSAGE, STEP FROM audit.audit ORDER BY ALL",
        "rejected": "SELECT ERROR, PATH, LINE FROM audit.rejected",
    }
    tables = {name for (name,) in shop.query("SELECT table_name FROM duckdb_tables()")}
    return {name: shop.query(sql) for name, sql in queries.items() if name in tables}, shop.files()


def load(shop, files, metadata, **table):
    for area in ("archive", "stage"):
        for path in shop.root.glob(f"datasets/{area}/shop/*"):
            path.unlink()
    (shop.root / "datasets/duckdb.db").unlink(missing_ok=True)
    shop.table("rows", COLUMNS, metadata={"separator": ";", **metadata}, **table)
    jobs = []
    for part in (files[: len(files) // 2], files[len(files) // 2 :]):
        for place, content in enumerate(part):
            shop.put(f"rows{len(jobs)}-{place:02}.csv", content)
        jobs += [
            (job.files, job.error, job.input_count, job.accepted_count, job.rejected_count, job.warnings)
            for job in shop.engine.load().jobs
        ]
    return jobs, left_behind(shop)


@pytest.fixture
def stages(monkeypatch):
    """Return the tables whose rows were staged."""
    found = []
    real = ingestion.staged

    def staged(database, validator, table, *arguments, **keys):
        found.append(table.name)
        return real(database, validator, table, *arguments, **keys)

    monkeypatch.setattr(ingestion, "staged", staged)
    return found


@pytest.mark.slow
@settings(max_examples=12)
@given(
    st.lists(st.sampled_from(FILES), min_size=2, max_size=5),
    st.sampled_from(["APPEND", "OVERWRITE"]),
    st.booleans(),
    st.sampled_from([None, 1, "40%"]),
    st.sampled_from(["spark", "native"]),
)
def test_the_same_as_staged_rows(shop, files, strategy, grouped, limit, loader):
    metadata = {"writeStrategy": {"type": strategy}, "grouped": grouped, "loader": loader}
    metadata |= {} if limit is None else {"maxRejected": limit}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "_FIRST_ROWS", 20)
        patch.setattr(reading, "_FILES_AT_A_TIME", 2)
        assert load(shop, files, metadata) == load(shop, files, metadata, **STAGED)


def test_scripts_and_renamed_columns_are_written_directly(shop, stages):
    attributes = [
        {"name": "id", "type": "int", "rename": "number"},
        {"name": "twice", "type": "int", "script": "number * 2"},
    ]
    shop.table("rows", attributes)
    shop.put("rows.csv", "id\n1\nx\n3\n")
    (job,) = shop.engine.load().jobs
    assert (job.error, job.accepted_count, job.rejected_count) == (None, 2, 1)
    assert shop.rows() == [(1, 2), (3, 6)]
    assert stages == []
