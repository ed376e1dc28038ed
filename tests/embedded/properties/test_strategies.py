"""Each write strategy, on files and on tasks, does to any rows what a slow model says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from shop import Shop
from strategy_model import Row, Strategy, after

ATTRIBUTES = [
    {"name": "id", "type": "long"},
    {"name": "part", "type": "string"},
    {"name": "seen", "type": "timestamp"},
    {"name": "label", "type": "string"},
]
STRATEGIES = [
    Strategy("APPEND"),
    Strategy("OVERWRITE"),
    Strategy("OVERWRITE_BY_PARTITION"),
    *(
        Strategy(kind, key, timestamp, source)
        for kind, stamps in (
            ("UPSERT_BY_KEY", (False, True)),
            ("UPSERT_BY_KEY_AND_TIMESTAMP", (True,)),
            ("DELETE_THEN_INSERT", (False, True)),
            ("SCD2", (False, True)),
        )
        for timestamp in stamps
        for key in (("id",), ("id", "part"))
        for source in (False, True)
    ),
]
START = datetime(2024, 2, 28, 23, 59, 58)  # noqa: DTZ001  columns without a time zone
MAX_ROWS, MAX_FILES = 6, 3

_cells = st.tuples(
    st.one_of(st.none(), st.integers(1, 3)),
    st.one_of(st.none(), st.sampled_from("ab")),
    st.one_of(st.none(), st.integers(0, 3).map(lambda seconds: START + timedelta(seconds=seconds))),
)
_sequences = st.lists(st.lists(_cells, max_size=MAX_ROWS), min_size=1, max_size=MAX_FILES).map(
    lambda files: [
        [Row(*cells, label=f"{number}.{place}") for place, cells in enumerate(rows)]
        for number, rows in enumerate(files)
    ]
)


def name(strategy: Strategy) -> str:
    source = "source_and_target" if strategy.source else "target"
    stamp = "timestamp" if strategy.timestamp and strategy.type != "UPSERT_BY_KEY_AND_TIMESTAMP" else ""
    return "_".join(part for part in (strategy.type.lower(), *strategy.key, stamp, source) if part)


def bounded(examples: int):
    """Return the examples of one strategy; they are created again each time, and each is small already.

    An example costs 0.2 seconds, for each of 33 strategies, twice; kinds of strategies differ little among themselves.
    """
    return settings(max_examples=examples, phases=[Phase.explicit, Phase.generate, Phase.shrink])


def shown(shop: Shop, table: str, strategy: Strategy) -> list[Row]:
    versions = ", sl_start_ts IS NOT NULL, sl_end_ts IS NOT NULL" if strategy.type == "SCD2" else ""
    columns = f"id, part, CAST(seen AS TIMESTAMP), label{versions}"
    return [Row(*cells) for cells in shop.rows(f"SELECT {columns} FROM {table}")]


def assert_same(found: Sequence[Row], wanted: Sequence[Row]) -> None:
    assert sorted(found, key=repr) == sorted(wanted, key=repr)


def sink(strategy: Strategy) -> dict[str, object]:
    """Return the sink; a partition changes nothing of the other strategies."""
    with_partition = strategy.type == "OVERWRITE_BY_PARTITION" or len(strategy.key) == 1
    return {"sink": {"partition": ["part"]}} if with_partition else {}


def assert_one_open_row_of_each_key(strategy: Strategy, rows: Sequence[Row]) -> None:
    keys = [tuple(getattr(row, column) for column in strategy.key) for row in rows if not row.ended]
    keys = [key for key in keys if None not in key]
    assert len(set(keys)) == len(keys)


def one_open_row(strategy: Strategy) -> bool:
    if strategy.type == "UPSERT_BY_KEY":
        return strategy.timestamp or strategy.source
    return strategy.type in {"UPSERT_BY_KEY_AND_TIMESTAMP", "SCD2"}


def check_loads(shop: Shop, strategy: Strategy, files: list[list[Row]]) -> None:
    shop.clear()
    shop.table("rows", ATTRIBUTES, {"separator": ",", "writeStrategy": strategy.as_yaml(), **sink(strategy)})
    table: list[Row] | None = None
    for number, rows in enumerate(files):
        lines = [f"{row.id or ''},{row.part or ''},{row.seen or ''},{row.label}" for row in rows]
        shop.put(f"rows-{number}.csv", "\n".join(["id,part,seen,label", *lines, ""]))
        result = shop.load()
        assert not result.failures
        assert (result.input_count, result.rejected_count) == (len(rows), 0)
        found = shown(shop, "shop.rows", strategy)
        table = after(strategy, table, rows, found)
        assert_same(found, table)
        if one_open_row(strategy):
            assert_one_open_row_of_each_key(strategy, found)
    assert shop.files("archive") == [f"rows-{number}.csv" for number in range(len(files))]


def select(rows: list[Row]) -> str:
    """Return a SELECT of rows that stand in the SQL itself."""

    def value(text: object) -> str:
        return "NULL" if text is None else f"'{text}'"

    cells = [f"({value(row.id)}, {value(row.part)}, {value(row.seen)}, {value(row.label)})" for row in rows]
    source = ", ".join(cells or ["(NULL, NULL, NULL, NULL)"])
    columns = "CAST(id AS BIGINT) AS id, CAST(part AS VARCHAR) AS part, CAST(seen AS TIMESTAMP) AS seen"
    return (
        f"SELECT {columns}, CAST(label AS VARCHAR) AS label FROM (VALUES {source}) AS given(id, part, seen, label)\n"
        + ("" if rows else "WHERE false\n")
    )


def check_tasks(shop: Shop, strategy: Strategy, runs: list[list[Row]]) -> None:
    shop.clear()
    table: list[Row] | None = None
    for rows in runs:
        shop.task("rows", select(rows), writeStrategy=strategy.as_yaml(), **sink(strategy))
        assert shop.transform("kpi.rows").error is None
        found = shown(shop, "kpi.rows", strategy)
        table = after(strategy, table, rows, found)
        assert_same(found, table)
        if one_open_row(strategy):
            assert_one_open_row_of_each_key(strategy, found)


every_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=name)


@every_strategy
@bounded(2)
@given(files=_sequences)
def test_loads(lasting_shop, strategy, files):
    check_loads(lasting_shop, strategy, files)


@every_strategy
@bounded(2)
@given(runs=_sequences)
def test_tasks(lasting_shop, strategy, runs):
    check_tasks(lasting_shop, strategy, runs)


@pytest.mark.slow
@every_strategy
@bounded(10)
@given(files=_sequences)
def test_many_loads(lasting_shop, strategy, files):
    check_loads(lasting_shop, strategy, files)


@pytest.mark.slow
@every_strategy
@bounded(10)
@given(runs=_sequences)
def test_many_tasks(lasting_shop, strategy, runs):
    check_tasks(lasting_shop, strategy, runs)


@pytest.mark.parametrize("grouped", [False, True], ids=["one by one", "in one group"])
@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(kind, ("id",), timestamp=True, source=source)
        for kind in ("UPSERT_BY_KEY", "UPSERT_BY_KEY_AND_TIMESTAMP", "SCD2")
        for source in (False, True)
    ],
    ids=name,
)
def test_a_file_that_is_delivered_again_changes_nothing(shop, strategy, grouped):
    metadata = {"separator": ",", "grouped": grouped, "writeStrategy": strategy.as_yaml()}
    shop.table("rows", ATTRIBUTES, metadata)
    lines = "id,part,seen,label\n1,a,2024-01-01 00:00:00,x\n2,b,,y\n"
    tables = []
    for delivery in range(3):
        for copy in "ab":
            shop.put(f"rows-{delivery}{copy}.csv", lines)
        assert not shop.load().failures
        tables.append(shop.tables()["shop.rows"])
    assert len(tables[0]) == 2
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize("key", [("id",), ("id", "part")], ids=["one column", "two columns"])
def test_scd2_closes_the_open_version_only(shop, key):
    strategy = Strategy("SCD2", key, timestamp=True)
    shop.table("rows", ATTRIBUTES, {"separator": ",", "writeStrategy": strategy.as_yaml()})
    ends = []
    for day in (1, 2, 3):
        shop.put(f"rows-{day}.csv", f"id,part,seen,label\n1,a,2024-01-0{day} 00:00:00,v{day}\n")
        assert not shop.load().failures
        ends.append(dict(shop.rows("SELECT label, sl_end_ts FROM shop.rows")))
    assert ends[1]["v1"] is not None
    assert ends[2]["v1"] == ends[1]["v1"]
    assert ends[2]["v2"] > ends[1]["v1"]
    assert ends[2]["v3"] is None
