"""Each write strategy equals a slow, obvious model of it in Python, for any tables, keys and timestamps."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.database.connection import open_database
from ai.starlake.embedded.warehouse.duckdb.duckdb_warehouse import DuckDBWarehouse
from ai.starlake.embedded.warehouse.merge import Merge, require, script
from ai.starlake.embedded.warehouse.warehouse import Target
from ai.starlake.project import MergeOn, WriteStrategy
from ai.starlake.project.templating.rendering import render
from tests.costly_examples import some_merges

ORIGIN = datetime(2024, 1, 1)  # noqa: DTZ001  DuckDB's TIMESTAMP has no zone
TARGET = Target("shop", "rows")
ROW = st.tuples(
    st.one_of(st.none(), st.integers(1, 3)),
    st.one_of(st.none(), st.integers(1, 2)),
    st.integers(0, 3),
    st.one_of(st.none(), st.integers(0, 4)),
)
ROWS = st.lists(ROW, max_size=8)
COLUMNS = ("id", 'or"der', "label", "seen")
"""Two key columns, one of them with a name that needs quoting."""
sides = pytest.mark.parametrize("on", list(MergeOn))


@pytest.fixture(scope="module")
def database():
    with open_database(None) as database:
        database.execute("SET preserve_insertion_order = true; CREATE SCHEMA shop")
        yield database


def moment(number):
    return None if number is None else ORIGIN + timedelta(hours=number)


def table(database, name, rows, *, versions=False):
    more = ", sl_start_ts TIMESTAMP, sl_end_ts TIMESTAMP" if versions else ""
    database.execute(
        f'CREATE OR REPLACE TABLE {name} (id INTEGER, "or""der" INTEGER, label INTEGER, seen TIMESTAMP{more})'
    )
    marks = "(?, ?, ?, ?" + (", NULL, NULL)" if versions else ")")
    values = [value for *cells, seen in rows for value in (*cells, moment(seen))]
    if rows:
        database.execute(f"INSERT INTO {name} VALUES {', '.join([marks] * len(rows))}", values)


def merged(database, existing, incoming, *, first=False, partition=(), truncate=False, **strategy):
    """Return the rows that a strategy leaves, the times as numbers."""
    versions = strategy["type"] == "SCD2"
    table(database, "shop.rows", [] if first else existing, versions=versions)
    table(database, "incoming", incoming)
    how = WriteStrategy(**{"key": ("id", 'or"der'), "timestamp": "seen", **strategy})
    merge = Merge(TARGET, how, COLUMNS, "SELECT * FROM incoming", first=first, partition=partition, truncate=truncate)
    with database.transaction():
        database.execute(
            script(DuckDBWarehouse(database), merge, {}, lambda text, variables: render(text, variables).text)
        )
    found = database.rows("SELECT * FROM shop.rows")
    return Counter(
        (
            *row[:3],
            None if row[3] is None else round((row[3] - ORIGIN) / timedelta(hours=1)),
            *(value is not None for value in row[4:]),
        )
        for row in found
    )


def key_of(row):
    return None if row[0] is None or row[1] is None else row[:2]


def same(left, right):
    return key_of(left) is not None and key_of(left) == key_of(right)


def age(row):
    """Return the sort key of the rows of a key; a null time is older than any other."""
    return -1 if row[3] is None else row[3]


def newest(rows):
    """One row per key, of equal times the last; rows whose key is null are all kept."""
    best = {}
    for place, row in enumerate(rows):
        key = key_of(row) or ("no key", place)
        if key not in best or age(row) >= age(best[key]):
            best[key] = row
    return list(best.values())


@some_merges
@given(ROWS, ROWS, st.booleans())
def test_append(database, existing, incoming, truncate):
    expected = Counter(incoming) + (Counter() if truncate else Counter(existing))
    assert merged(database, existing, incoming, type="APPEND", truncate=truncate) == expected


@some_merges
@given(ROWS, ROWS)
def test_overwrite(database, existing, incoming):
    assert merged(database, existing, incoming, type="OVERWRITE") == Counter(incoming)


@sides
@some_merges
@given(existing=ROWS, incoming=ROWS, first=st.booleans())
def test_delete_then_insert(database, on, existing, incoming, first):
    kept = [] if first else [row for row in existing if not any(same(row, new) for new in incoming)]
    found = merged(database, existing, incoming, first=first, type="DELETE_THEN_INSERT", on=on)
    assert found == Counter(kept + incoming)


@some_merges
@given(existing=ROWS, incoming=ROWS)
def test_upsert_by_key_without_a_timestamp(database, existing, incoming):
    kept = [row for row in existing if not any(same(row, new) for new in incoming)]
    found = merged(database, existing, incoming, type="UPSERT_BY_KEY", timestamp=None)
    assert found == Counter(kept + incoming)


@sides
@some_merges
@given(existing=ROWS, incoming=ROWS)
def test_upsert_by_key_of_the_newest(database, on, existing, incoming):
    kept = [row for row in existing if not any(same(row, new) for new in incoming)]
    assert merged(database, existing, incoming, type="UPSERT_BY_KEY", on=on) == Counter(kept + newest(incoming))


@sides
@some_merges
@given(existing=ROWS, incoming=ROWS)
def test_upsert_by_key_and_timestamp(database, on, existing, incoming):
    best = newest(incoming)
    kept = [row for row in existing if not any(same(row, new) and age(new) >= age(row) for new in best)]
    added = [new for new in best if not any(same(row, new) for row in kept)]
    assert merged(database, existing, incoming, type="UPSERT_BY_KEY_AND_TIMESTAMP", on=on) == Counter(kept + added)


@sides
@pytest.mark.parametrize("kind", ["UPSERT_BY_KEY", "UPSERT_BY_KEY_AND_TIMESTAMP"])
@given(incoming=ROWS)
@settings(max_examples=30)
def test_the_first_load_of_an_upsert_goes_by_the_rule_of_later_ones(database, kind, on, incoming):
    first = merged(database, [], incoming, first=True, type=kind, on=on)
    assert first == merged(database, [], incoming, type=kind, on=on) == Counter(newest(incoming))


@some_merges
@given(ROWS, ROWS)
def test_overwrite_by_partition(database, existing, incoming):
    values = {row[2] for row in incoming}
    kept = [row for row in existing if row[2] not in values]
    assert merged(database, existing, incoming, type="OVERWRITE_BY_PARTITION", partition=("LABEL",)) == Counter(
        kept + incoming
    )


def versions_of(incoming, existing):
    """Return the rows that are new versions, and whether each is closed by another of the same load."""
    fresh = []
    for place, new in enumerate(incoming):
        known = [row for row in incoming[:place] if same(row, new) and age(row) == age(new)]
        if not known and all(age(new) > age(row) for row in existing if same(row, new)):
            fresh.append(new)
    return [(new, any(same(row, new) and age(row) > age(new) for row in fresh)) for new in fresh]


@some_merges
@given(ROWS, ROWS)
def test_scd2(database, existing, incoming):
    """Versions in the target are all open here; closed ones are in the golden corpus."""
    added = versions_of(incoming, existing)
    closed = [row for row in existing if any(same(row, new) for new, _ in added)]
    open_ = list((Counter(existing) - Counter(closed)).elements())
    expected = Counter((*row, False, True) for row in closed) + Counter((*row, False, False) for row in open_)
    expected += Counter((*row, True, ended) for row, ended in added)
    assert merged(database, existing, incoming, type="SCD2") == expected


@some_merges
@given(ROWS)
def test_the_first_load_of_scd2_has_one_open_version_of_each_key(database, incoming):
    expected = Counter((*row, False, ended) for row, ended in versions_of(incoming, []))
    assert merged(database, [], incoming, first=True, type="SCD2") == expected


@some_merges
@given(ROWS, ROWS, st.booleans())
def test_scd2_without_a_timestamp_leaves_the_last_row_of_a_key_open(database, existing, incoming, first):
    rows = [(row, any(same(row, later) for later in incoming[place + 1 :])) for place, row in enumerate(incoming)]
    found = merged(database, existing, incoming, first=first, type="SCD2", timestamp=None)
    before = [] if first else [(row, any(same(row, new) for new in incoming)) for row in existing]
    expected = Counter((*row, False, ended) for row, ended in before)
    assert found == expected + Counter((*row, not first, ended) for row, ended in rows)


@given(ROWS)
@settings(max_examples=30)
def test_the_first_load_takes_everything(database, incoming):
    assert merged(database, [], incoming, first=True, type="UPSERT_BY_KEY", timestamp=None) == Counter(incoming)


@pytest.mark.parametrize(
    ("strategy", "partition", "message"),
    [
        (WriteStrategy(type="OVERWRITE_BY_KEY"), (), "does not exist"),
        (WriteStrategy(type="UPSERT_BY_KEY"), (), "has no key"),
        (WriteStrategy(type="UPSERT_BY_KEY_AND_TIMESTAMP", key=("id",)), (), "has no timestamp"),
        (WriteStrategy(type="OVERWRITE_BY_PARTITION"), (), "has no partition"),
    ],
)
def test_a_strategy_that_cannot_work_is_refused_at_once(strategy, partition, message):
    with pytest.raises(StarlakeError, match=message):
        require(strategy, {}, partition, "shop.rows")


def test_a_strategy_of_the_project(shop):
    folder = shop.root / "metadata/write-strategies/duckdb"
    folder.mkdir(parents=True)
    folder.joinpath("KEEP_FIRST.j2").write_text(
        "INSERT INTO {{ tableFullName }} ({{ tableColumnsCsv }}) SELECT * FROM ({{ selectStatement }}) AS SL_INCOMING "
        "WHERE NOT EXISTS (SELECT 1 FROM {{ tableFullName }} AS SL_EXISTING WHERE {{ strategyKeyJoinCondition }});"
    )
    shop.table(
        "rows", {"id": "int", "label": "string"}, metadata={"writeStrategy": {"type": "keep_first", "key": ["id"]}}
    )
    shop.put("rows1.csv", "id,label\n1,a\n")
    assert not shop.engine.load().failures
    shop.put("rows2.csv", "id,label\n1,b\n2,c\n")
    assert not shop.engine.load().failures
    assert shop.rows() == [(1, "a"), (2, "c")]


def test_a_misspelt_variable_in_a_strategy_of_the_project_is_an_error(shop):
    file = shop.root / "metadata/write-strategies/duckdb/keep.j2"
    file.parent.mkdir(parents=True)
    file.write_text("INSERT INTO {{ tableFullName }}\nSELECT * FROM ({{ selectStatment }});")
    shop.table("rows", {"id": "int"}, metadata={"writeStrategy": {"type": "KEEP"}})
    shop.put("rows1.csv", "id\n1\n")
    shop.engine.load()  # makes the table
    shop.put("rows2.csv", "id\n2\n")
    (failure,) = shop.engine.load().failures
    assert f"{file}:2: the variable selectStatment is not defined" in failure.error
    assert "did you mean selectStatement?" in failure.error
    assert shop.rows() == [(1,)]


def test_templates_of_the_project_may_call_the_macros_of_the_original(shop):
    folder = shop.root / "metadata/write-strategies/duckdb"
    folder.mkdir(parents=True)
    folder.joinpath("only_new.j2").write_text(
        "INSERT INTO {{ tableFullName }} SELECT {{ renderTableColumns('new', tableColumnNames) }} "
        "FROM ({{ selectStatement }}) AS new LEFT JOIN {{ tableFullName }} AS old "
        "ON {{ renderStrategyKeyJoinCondition('new', 'old', strategyKey) }} "
        "WHERE {{ renderStrategyKeyIsNull('old', strategyKey) }};"
    )
    strategy = {"type": "ONLY_NEW", "key": ["day", "order"]}
    shop.table("rows", {"day": "date", "order": "int", "label": "string"}, metadata={"writeStrategy": strategy})
    for name, rows in (("rows1.csv", "2024-01-01,1,a\n"), ("rows2.csv", "2024-01-01,1,b\n2024-01-02,1,c\n")):
        shop.put(name, f"day,order,label\n{rows}")
        assert not shop.engine.load().failures
    assert shop.query("SELECT label FROM shop.rows ORDER BY 1") == [("a",), ("c",)]


def test_keys_may_be_named_as_in_the_file(shop):
    attributes = [{"name": "id", "type": "int", "rename": "number"}, {"name": "at", "type": "timestamp"}]
    strategy = {"type": "UPSERT_BY_KEY_AND_TIMESTAMP", "key": ["ID"], "timestamp": "At"}
    shop.table("rows", attributes, metadata={"writeStrategy": strategy})
    for name, day in (("rows1.csv", "01"), ("rows2.csv", "02")):
        shop.put(name, f"id,at\n1,2024-01-{day} 00:00:00\n")
        assert not shop.engine.load().failures
    assert shop.query('SELECT number, day("at") FROM shop.rows') == [(1, 2)]


def test_columns_that_are_added_or_renamed_have_the_plain_form_of_their_type(shop):
    """Starlake looks the DDL of a type up for columns of their own name in a new table only."""
    shop.table("rows", [{"name": "id", "type": "int"}, {"name": "at", "type": "timestamp", "rename": "seen"}])
    shop.put("rows1.csv", "id,at\n1,2024-02-29 10:11:12\n")
    shop.engine.load()
    more = {"size": "short", "number": "int", "later": "timestamp", "price": "double", "good": "boolean"}
    kept = [{"name": "id", "type": "int"}, {"name": "at", "type": "timestamp", "rename": "seen"}]
    shop.table("rows", [*kept, *({"name": name, "type": kind} for name, kind in more.items())])
    shop.put("rows2.csv", "id,at,size,number,later,price,good\n2,,3,4,2024-02-29 10:11:12,5.5,true\n")
    assert not shop.engine.load().failures
    types = dict(shop.query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'rows'"))
    assert types == {
        "id": "INTEGER",
        "seen": "TIMESTAMP",
        "size": "INTEGER",
        "number": "BIGINT",
        "later": "TIMESTAMP",
        "price": "DOUBLE",
        "good": "BOOLEAN",
    }
    moment = datetime(2024, 2, 29, 10, 11, 12)  # noqa: DTZ001  as in the table
    assert shop.rows("shop.rows") == [(1, moment, None, None, None, None, None), (2, None, 3, 4, moment, 5.5, True)]


def test_the_newest_of_two_versions_in_a_later_file_is_kept(shop):
    strategy = {"type": "UPSERT_BY_KEY_AND_TIMESTAMP", "key": ["id"], "timestamp": "seen", "on": "SOURCE_AND_TARGET"}
    columns = {"id": "int", "label": "string", "seen": "timestamp"}
    shop.table("rows", columns, metadata={"writeStrategy": strategy})
    shop.put("rows1.csv", "id,label,seen\n1,a,2026-01-01 00:00:00\n")
    shop.engine.load()
    shop.put("rows2.csv", "id,label,seen\n2,old,2026-01-01 00:00:00\n2,new,2026-01-02 00:00:00\n")
    assert not shop.engine.load().failures
    assert shop.query("SELECT id, label FROM shop.rows ORDER BY id") == [(1, "a"), (2, "new")]
