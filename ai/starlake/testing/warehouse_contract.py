"""The tests of every warehouse of the embedded engine: tables end up alike in any database.

Subclass `WarehouseContract` in a test module, name the folder of the project's own write strategies, and override its
two fixtures::

    class TestMyWarehouse(WarehouseContract):
        dialect = "mine"

        @pytest.fixture
        def make_warehouse(self, tmp_path):
            return lambda name: {"type": "jdbc", "options": {"url": f"jdbc:mine:{tmp_path}/{name}"}}

        @pytest.fixture
        def rows_of(self):
            return read_rows  # (connection, "schema.table") -> list of dicts
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

Connection = Mapping[str, Any]
"""A connection as an application's metadata has it."""
Row = dict[str, Any]

_ATTRIBUTES = {"id": "long", "label": "string", "seen": "timestamp"}
_FIRST = ((1, "a", 1), (2, "b", 1), (None, "n", 1))
_SECOND = ((1, "c", 2), (1, "d", 3), (2, "old", 0), (3, "e", 2), (None, "m", 2))
_KEY = {"key": ["id"]}
_TIMED = {"key": ["id"], "timestamp": "seen"}
_BOTH = "SOURCE_AND_TARGET"

_STRATEGIES: Mapping[str, tuple[dict[str, Any], dict[str, Any], tuple[tuple[Any, ...], ...]]] = {
    "APPEND": ({"type": "APPEND"}, {}, (*_FIRST, *_SECOND)),
    "OVERWRITE": ({"type": "OVERWRITE"}, {}, _SECOND),
    "UPSERT_BY_KEY": ({"type": "UPSERT_BY_KEY", **_KEY}, {}, ((None, "n", 1), *_SECOND)),
    "UPSERT_BY_KEY, one per key": (
        {"type": "UPSERT_BY_KEY", "on": _BOTH, **_TIMED},
        {},
        ((None, "n", 1), (1, "d", 3), (2, "old", 0), (3, "e", 2), (None, "m", 2)),
    ),
    "UPSERT_BY_KEY_AND_TIMESTAMP": (
        {"type": "UPSERT_BY_KEY_AND_TIMESTAMP", **_TIMED},
        {},
        ((None, "n", 1), (1, "d", 3), (2, "b", 1), (3, "e", 2), (None, "m", 2)),
    ),
    "DELETE_THEN_INSERT": ({"type": "DELETE_THEN_INSERT", **_KEY}, {}, ((None, "n", 1), *_SECOND)),
    "OVERWRITE_BY_PARTITION": (
        {"type": "OVERWRITE_BY_PARTITION"},
        {"partition": ["seen"]},
        (*_FIRST, *_SECOND),
    ),
    "OVERWRITE_BY_PARTITION, of a label": (
        {"type": "OVERWRITE_BY_PARTITION"},
        {"partition": ["id"]},
        ((None, "n", 1), *_SECOND),
    ),
}
"""By case, the write strategy, the sink, and the rows after two deliveries."""
_VERSIONS = (
    (None, "n", 1, False, False),
    (None, "m", 2, True, False),
    (1, "a", 1, False, True),
    (1, "c", 2, True, True),
    (1, "d", 3, True, False),
    (2, "b", 1, False, False),
    (3, "e", 2, True, False),
)
"""Rows after two deliveries with SCD2: the row, whether it has a start, and whether it has an end."""

each_way = pytest.mark.parametrize("way", ["load", "task"])


class Shop:
    """A small project that fills its table ``shop.orders`` by loads, and ``mart.orders`` by a task, with the same rows.

    Args:
        root: Its folder.
        connections: The connections by name; the first one is for the rows.
        rows_of: Reads a table of one of them.
        dialect: The folder of its own write strategies.
    """

    def __init__(
        self,
        root: Path,
        connections: Mapping[str, Connection],
        rows_of: Callable[[Connection, str], list[Row]],
        dialect: str,
    ) -> None:
        self.root = root
        self.connections = connections
        self.environment = {"SL_ROOT": str(root)}
        self._rows_of = rows_of
        self._dialect = dialect
        self.application()
        directory = {"directory": str(root / "incoming")}
        self.write("metadata/load/shop/_config.sl.yml", {"load": {"metadata": directory}})

    def application(self, **keys: Any) -> None:
        """Write the application's file."""
        first = next(iter(self.connections))
        content = {"connectionRef": first, "connections": dict(self.connections), **keys}
        self.write("metadata/application.sl.yml", {"application": content})

    def write(self, name: str, content: Mapping[str, Any] | str) -> None:
        """Write a file of the project."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps({"version": 1, **content}), "utf-8")

    def define(
        self,
        way: str,
        strategy: Mapping[str, Any],
        *,
        sink: Mapping[str, Any] | None = None,
        attributes: Mapping[str, str] = _ATTRIBUTES,
        metadata: Mapping[str, Any] | None = None,
        task: Mapping[str, Any] | None = None,
        **keys: Any,
    ) -> None:
        """Write the loaded table, or the table of raw rows and the task that reads it."""
        rows = {"writeStrategy": dict(strategy), "sink": dict(sink or {})}
        if way == "load":
            self._table("orders", attributes, {**rows, **(metadata or {})}, keys)
            return
        self._table("raw", attributes, {"writeStrategy": {"type": "OVERWRITE"}}, {})
        self.write("metadata/transform/mart/orders.sql", f"SELECT {', '.join(attributes)} FROM shop.raw")
        self.write("metadata/transform/mart/orders.sl.yml", {"task": {**rows, **keys, **(task or {})}})

    def _table(
        self, name: str, attributes: Mapping[str, str], metadata: Mapping[str, Any], keys: Mapping[str, Any]
    ) -> None:
        table = {
            "name": name,
            "pattern": rf"{name}-.*",
            "metadata": {"separator": ",", **metadata},
            "attributes": [{"name": column, "type": kind} for column, kind in attributes.items()],
            **keys,
        }
        self.write(f"metadata/load/shop/{name}.sl.yml", {"table": table})

    def deliver(self, way: str, rows: Sequence[Sequence[Any]], attributes: Mapping[str, str] = _ATTRIBUTES) -> str:
        """Deliver rows to the table; return the error, or None."""
        from ai.starlake.embedded import Engine
        from ai.starlake.embedded.transform.task_run import TransformRequest

        name = "orders" if way == "load" else "raw"
        times = [place for place, kind in enumerate(attributes.values()) if kind == "timestamp"]
        lines = [",".join(_text(value, time=place in times) for place, value in enumerate(row)) for row in rows]
        self.write(f"datasets/stage/shop/{name}-1.csv", "\n".join([",".join(attributes), *lines, ""]))
        engine = Engine.open(self.root, environment=self.environment)
        failures = [job.error or "" for job in engine.load(["shop"], [name]).failures]
        if failures or way == "load":
            return "; ".join(failures)
        return engine.transform(TransformRequest("mart.orders")).error or ""

    def refusal(self, way: str, rows: Sequence[Sequence[Any]]) -> str:
        """Deliver rows to the table; return the error, even if the metadata is refused before."""
        from ai.starlake.common import StarlakeError

        try:
            return self.deliver(way, rows)
        except StarlakeError as error:
            return str(error)

    def rows(self, way: str) -> list[Row]:
        """Return the rows of the table for one of the two ways."""
        return self.read("shop.orders" if way == "load" else "mart.orders")

    def read(self, table: str, connection: str | None = None) -> list[Row]:
        """Return the rows of a table; the column names in lower case."""
        found = self._rows_of(self.connections[connection or next(iter(self.connections))], table)
        return [{name.lower(): value for name, value in row.items()} for row in found]


class WarehouseContract:
    """The tests; see the module's docstring."""

    dialect: str
    """The folder below ``metadata/write-strategies`` with the project's own strategies for the warehouse."""

    @pytest.fixture
    def make_warehouse(self) -> Callable[[str], Connection]:
        """Return a function that creates an empty database by a name and returns its connection; to be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def rows_of(self) -> Callable[[Connection, str], list[Row]]:
        """Return a function that reads a table or view; no rows if it does not exist. To be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def shop(
        self,
        tmp_path: Path,
        make_warehouse: Callable[[str], Connection],
        rows_of: Callable[[Connection, str], list[Row]],
    ) -> Shop:
        """Return a project on two databases.

        Args:
            tmp_path: Folder of the test, from pytest.
            make_warehouse: Fixture that makes a database with a name.
            rows_of: Fixture that reads the rows of a statement.
        """
        connections = {"main": make_warehouse("main"), "other": make_warehouse("other")}
        return Shop(tmp_path / "project", connections, rows_of, self.dialect)

    def test_every_strategy_is_tried(self) -> None:
        from ai.starlake.project.models import STRATEGY_KINDS

        tried = {strategy["type"] for strategy, _, _ in _STRATEGIES.values()}
        assert {*tried, "SCD2"} == set(STRATEGY_KINDS)

    @each_way
    @pytest.mark.parametrize("case", list(_STRATEGIES))
    def test_a_strategy_leaves_the_same_rows(self, shop: Shop, way: str, case: str) -> None:
        strategy, sink, expected = _STRATEGIES[case]
        shop.define(way, strategy, sink=sink)

        for rows in (_FIRST, _SECOND):
            assert not shop.deliver(way, rows)

        assert _plain(shop.rows(way)) == _sorted(expected)

    @each_way
    def test_scd2_keeps_versions(self, shop: Shop, way: str) -> None:
        shop.define(way, {"type": "SCD2", **_TIMED})

        for rows in (_FIRST, _SECOND):
            assert not shop.deliver(way, rows)

        found = [
            (*_values(row), row["sl_start_ts"] is not None, row["sl_end_ts"] is not None) for row in shop.rows(way)
        ]
        assert _sorted(found) == _sorted(_VERSIONS)

    @each_way
    def test_versions_may_have_other_columns(self, shop: Shop, way: str) -> None:
        shop.define(way, {"type": "SCD2", **_TIMED, "startTs": "since", "endTs": "until"})

        for rows in (_FIRST, _SECOND):
            assert not shop.deliver(way, rows)

        assert {tuple(row) for row in shop.rows(way)} == {("id", "label", "seen", "since", "until")}

    @each_way
    def test_a_table_becomes_one_of_versions(self, shop: Shop, way: str) -> None:
        shop.define(way, {"type": "APPEND"})
        shop.deliver(way, _FIRST)
        shop.define(way, {"type": "SCD2", **_TIMED})

        assert not shop.deliver(way, [(1, "c", 2)])

        open_rows = [row for row in shop.rows(way) if row["sl_end_ts"] is None]
        assert _plain(open_rows) == _sorted([(None, "n", 1), (1, "c", 2), (2, "b", 1)])

    @each_way
    @pytest.mark.parametrize(
        ("strategy", "says"),
        [
            ({"type": "UPSERT_BY_KEY"}, "key"),
            ({"type": "SCD2"}, "key"),
            ({"type": "UPSERT_BY_KEY_AND_TIMESTAMP", **_KEY}, "timestamp"),
            ({"type": "OVERWRITE_BY_PARTITION"}, "partition"),
            ({"type": "NO_SUCH"}, "NO_SUCH"),
        ],
    )
    def test_a_strategy_lacks_something(self, shop: Shop, way: str, strategy: Mapping[str, Any], says: str) -> None:
        shop.define(way, strategy)

        assert says in shop.refusal(way, _FIRST)

        assert shop.rows(way) == []

    @each_way
    def test_a_strategy_of_the_project_may_use_its_macros(self, shop: Shop, way: str) -> None:
        shop.write("metadata/expectations/own.j2", "{% macro chosen(column) %}{{ column }} >= 2{% endmacro %}")
        shop.write(
            f"metadata/write-strategies/{self.dialect}/from_two.j2",
            "INSERT INTO {{ tableFullName }} ({{ tableColumnsCsv }})\n"
            "SELECT {{ tableColumnsCsv }} FROM ({{ selectStatement }}) AS incoming WHERE {{ chosen('id') }};",
        )
        shop.define(way, {"type": "FROM_TWO"})

        for rows in (_FIRST, _SECOND):
            assert not shop.deliver(way, rows)

        assert _plain(shop.rows(way)) == _sorted((*_FIRST, (2, "old", 0), (3, "e", 2)))

    @each_way
    def test_statements_around_the_rows_run_in_order(self, shop: Shop, way: str) -> None:
        table = "shop.orders" if way == "load" else "mart.orders"
        shop.define(way, {"type": "APPEND"})
        shop.deliver(way, _FIRST)
        shop.define(
            way,
            {"type": "APPEND"},
            presql=[f"DELETE FROM {table} WHERE id = 1"],
            postsql=[f"DELETE FROM {table} WHERE id = 3", f"UPDATE {table} SET label = 'last' WHERE id = 2"],
        )

        assert not shop.deliver(way, [(1, "c", 2), (3, "e", 2)])

        assert _plain(shop.rows(way)) == _sorted([(1, "c", 2), (2, "last", 1), (None, "n", 1)])

    @each_way
    @pytest.mark.parametrize("place", ["presql", "postsql"])
    def test_a_failing_statement_leaves_nothing(self, shop: Shop, way: str, place: str) -> None:
        table = "shop.orders" if way == "load" else "mart.orders"
        shop.define(way, {"type": "APPEND"})
        shop.deliver(way, _FIRST)
        statements: dict[str, Any] = {place: [f"DELETE FROM {table}", "DELETE FROM shop.missing"]}
        shop.define(way, {"type": "APPEND"}, **statements)

        assert "missing" in shop.deliver(way, _SECOND)

        assert _plain(shop.rows(way)) == _sorted(_FIRST)
        assert [row["success"] for row in _of(way, shop.read("audit.audit"))] == [True, False]

    @each_way
    @pytest.mark.parametrize("audit", ["main", "other"])
    def test_an_expectation_decides(self, shop: Shop, way: str, audit: str) -> None:
        shop.write("metadata/expectations/own.j2", _NONE_OF)
        shop.application(expectations={"failOnError": True}, audit={"sink": {"connectionRef": audit}})
        shop.define(way, {"type": "APPEND"}, expectations=[{"expect": "none_of(3)", "failOnError": True}])

        assert not shop.deliver(way, _FIRST)
        assert "expectations" in shop.deliver(way, _SECOND)

        assert _plain(shop.rows(way)) == _sorted(_FIRST)
        outcomes = [(row["count"], row["success"]) for row in shop.read("audit.expectations", audit)]
        assert sorted(outcomes) == [(0, True), (1, False)]
        assert [row["success"] for row in _of(way, shop.read("audit.audit", audit))] == [True, False]

    @each_way
    def test_an_expectation_that_cannot_be_asked_is_recorded(self, shop: Shop, way: str) -> None:
        shop.write("metadata/expectations/own.j2", _NONE_OF.replace("sl_this", "shop.missing"))
        shop.define(way, {"type": "APPEND"}, expectations=[{"expect": "none_of(3)"}])

        assert not shop.deliver(way, _FIRST)

        assert _plain(shop.rows(way)) == _sorted(_FIRST)
        assert [row["success"] for row in shop.read("audit.expectations")] == [False]

    @each_way
    def test_new_columns_are_added(self, shop: Shop, way: str) -> None:
        shop.define(way, {"type": "APPEND"})
        shop.deliver(way, _FIRST)
        wider = {**_ATTRIBUTES, "place": "string"}
        named = [{"name": name, "type": kind} for name, kind in wider.items()]
        shop.define(way, {"type": "APPEND"}, attributes=wider, task={"syncStrategy": "ADD", "attributes": named})

        assert not shop.deliver(way, [(3, "e", 2, "Lyon")], wider)

        found = [(*_values(row), row["place"]) for row in shop.rows(way)]
        assert _sorted(found) == _sorted([*((*row, None) for row in _FIRST), (3, "e", 2, "Lyon")])

    def test_columns_become_wider(self, shop: Shop) -> None:
        narrow, wide = {"id": "int", "label": "string"}, {"id": "long", "label": "string"}
        shop.define("load", {"type": "APPEND"}, attributes=narrow)
        assert not shop.deliver("load", [(1, "a")], narrow)
        shop.define("load", {"type": "APPEND"}, attributes=wide)

        assert not shop.deliver("load", [(2**40, "b")], wide)

        assert sorted(row["id"] for row in shop.rows("load")) == [1, 2**40]

    def test_columns_are_dropped_where_that_is_wanted(self, shop: Shop) -> None:
        fewer = {"id": "long", "seen": "timestamp"}
        shop.define("load", {"type": "APPEND"})
        shop.deliver("load", _FIRST)

        shop.define("load", {"type": "APPEND"}, attributes=fewer)
        assert not shop.deliver("load", [(3, 2)], fewer)
        assert {tuple(row) for row in shop.rows("load")} == {("id", "label", "seen")}

        shop.define("load", {"type": "APPEND"}, attributes=fewer, metadata={"dropColumns": True})
        assert not shop.deliver("load", [(4, 2)], fewer)
        assert {tuple(row) for row in shop.rows("load")} == {("id", "seen")}

    def test_a_value_that_a_column_cannot_hold_leaves_nothing(self, shop: Shop) -> None:
        number, text = {"id": "long", "label": "long"}, {"id": "long", "label": "double"}
        shop.define("load", {"type": "APPEND"}, attributes=number)
        shop.deliver("load", [(1, 2**60 + 1)], number)
        shop.define("load", {"type": "APPEND"}, attributes=text)

        assert "label" in shop.deliver("load", [(2, "1.5")], text)

        assert [(row["id"], row["label"]) for row in shop.rows("load")] == [(1, 2**60 + 1)]

    @each_way
    @pytest.mark.parametrize("audit", ["main", "other"])
    def test_a_success_is_recorded(self, shop: Shop, way: str, audit: str) -> None:
        shop.application(audit={"sink": {"connectionRef": audit}})
        shop.define(way, {"type": "APPEND"})

        assert not shop.deliver(way, _FIRST)

        (row,) = _of(way, shop.read("audit.audit", audit))
        assert (row["domain"], row["schema"], row["success"]) == (
            "shop" if way == "load" else "mart",
            "orders",
            True,
        )
        assert row["countaccepted"] == (3 if way == "load" else -1)

    @pytest.mark.parametrize("audit", ["main", "other"])
    def test_a_task_runs_once_for_a_job_id(self, shop: Shop, audit: str) -> None:
        shop.application(audit={"sink": {"connectionRef": audit}})
        shop.define("task", {"type": "APPEND"})
        shop.environment["SL_JOB_ID"] = "run.step"

        for _ in range(2):
            assert not shop.deliver("task", _FIRST)

        assert _plain(shop.rows("task")) == _sorted(_FIRST)

    def test_a_view_follows_what_it_reads(self, shop: Shop) -> None:
        shop.define("task", {"type": "APPEND"}, sink={"materializedView": "VIEW"})

        for rows in (_FIRST, _SECOND):
            assert not shop.deliver("task", rows)
            assert _plain(shop.rows("task")) == _sorted(rows)

    def test_a_table_does_not_become_a_view(self, shop: Shop) -> None:
        shop.define("task", {"type": "APPEND"})
        shop.deliver("task", _FIRST)
        shop.define("task", {"type": "APPEND"}, sink={"materializedView": "VIEW"})

        assert "is to be a view" in shop.deliver("task", _SECOND)

        assert _plain(shop.rows("task")) == _sorted(_FIRST)


_NONE_OF = "{% macro none_of(value) %}SELECT count(*) FROM sl_this WHERE id = {{ value }}{% endmacro %}"


def _text(value: Any, *, time: bool) -> str:
    if value is None:
        return ""
    return f"2024-01-01 {value:02}:00:00" if time else str(value)


def _values(row: Row) -> tuple[Any, ...]:
    seen = row["seen"]
    return row["id"], row["label"], seen.hour if isinstance(seen, datetime) else seen


def _plain(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Return the rows without their versions, in order."""
    return _sorted([_values(row) for row in rows])


def _sorted(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


def _of(way: str, audit: Sequence[Row]) -> list[Row]:
    """Return the audit rows of the jobs that fill the table, in order."""
    domain, table = ("shop", "orders") if way == "load" else ("mart", "orders")
    found = [row for row in audit if (row["domain"], row["schema"]) == (domain, table)]
    return sorted(found, key=lambda row: row["timestamp"])
