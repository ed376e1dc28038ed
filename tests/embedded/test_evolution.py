"""Columns with values that the metadata loses are kept, and loads and validation report them."""

from __future__ import annotations

import logging

import pytest

from ai.starlake.embedded import Engine
from ai.starlake.embedded.cli.main import run
from ai.starlake.embedded.transform.task_run import TransformRequest

STRATEGIES = [
    {"type": "APPEND"},
    {"type": "UPSERT_BY_KEY", "key": ["id"]},
    {"type": "DELETE_THEN_INSERT", "key": ["id"]},
    {"type": "SCD2", "key": ["id"]},
]


def load(shop, name, content, attributes, **metadata):
    shop.table("rows", attributes, metadata=metadata)
    shop.put(name, content)
    return shop.engine.load()


def validated(shop, monkeypatch, capsys):
    monkeypatch.setenv("SL_ROOT", str(shop.root))
    code = run(["validate"])
    return code, capsys.readouterr().out


@pytest.mark.parametrize("loader", ["spark", "native"])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: one["type"])
def test_a_renamed_attribute_keeps_the_old_column(shop, monkeypatch, capsys, caplog, strategy, loader):
    metadata = {"writeStrategy": strategy, "loader": loader}
    assert not load(
        shop, "rows1.csv", "id,email\n1,a@b.example\n", {"id": "long", "email": "string"}, **metadata
    ).failures
    shop.table("rows", {"id": "long", "mail": "string"}, metadata=metadata)
    code, output = validated(shop, monkeypatch, capsys)
    assert code == 0
    assert (
        "rows.sl.yml: warning: the metadata lacks the column email of shop.rows, which is kept with its 1 value"
        in output
    )
    shop.put("rows2.csv", "id,mail\n2,c@d.example\n")
    with caplog.at_level(logging.WARNING):
        assert not shop.engine.load().failures
    assert "the metadata lacks the column email of shop.rows, which is kept with its 1 value" in caplog.text
    assert shop.query("SELECT id, email, mail FROM shop.rows ORDER BY id") == [
        (1, "a@b.example", None),
        (2, None, "c@d.example"),
    ]


@pytest.mark.parametrize("everywhere", [True, False], ids=["application", "table"])
def test_a_setting_drops_columns(shop, monkeypatch, capsys, caplog, everywhere):
    load(shop, "rows1.csv", "id,email\n1,a@b.example\n", {"id": "long", "email": "string"})
    metadata = {} if everywhere else {"dropColumns": True}
    if everywhere:
        shop.application(dropColumns=True)
    shop.table("rows", {"id": "long"}, metadata=metadata)
    assert "which a load drops with its 1 value" in validated(shop, monkeypatch, capsys)[1]
    with caplog.at_level(logging.WARNING):
        load(shop, "rows2.csv", "id\n2\n", {"id": "long"}, **metadata)
    assert "the metadata lacks the column email of shop.rows, which a load drops with its 1 value" in caplog.text
    assert shop.rows() == [(1,), (2,)]


def test_an_overwrite_replaces_the_columns_with_the_rows(shop, caplog):
    overwrite = {"writeStrategy": {"type": "OVERWRITE"}}
    load(shop, "rows1.csv", "id,email\n1,a@b.example\n", {"id": "long", "email": "string"}, **overwrite)
    with caplog.at_level(logging.WARNING):
        load(shop, "rows2.csv", "id\n2\n", {"id": "long"}, **overwrite)
    assert shop.rows() == [(2,)]
    assert "lacks" not in caplog.text


@pytest.mark.parametrize("array", [False, True], ids=["struct", "list of structs"])
def test_fields_of_structs_are_kept(shop, monkeypatch, capsys, caplog, array):
    def attributes(*fields):
        inner = {"name": "inner", "type": "struct", "attributes": [{"name": name} for name in fields]}
        outer = {"name": "outer", "type": "struct", "array": array, "attributes": [{"name": "n", "type": "int"}, inner]}
        return [{"name": "id", "type": "int"}, outer]

    def document(number, field):
        outer = f'{{"n": {number}, "inner": {{"{field}": "v{number}", "same": "s"}}}}'
        return f'{{"id": {number}, "outer": {f"[{outer}, null]" if array else outer}}}\n'

    assert not load(shop, "rows1.json", document(1, "old"), attributes("old", "same"), format="JSON").failures
    shop.table("rows", attributes("same", "new"), metadata={"format": "JSON"})
    assert "lacks the column outer.inner.old of shop.rows" in validated(shop, monkeypatch, capsys)[1]
    shop.put("rows2.json", document(2, "new"))
    with caplog.at_level(logging.WARNING):
        assert not shop.engine.load().failures
    assert "lacks the column outer.inner.old of shop.rows, which is kept with its 1 value" in caplog.text
    values = [
        {"n": 1, "inner": {"old": "v1", "same": "s", "new": None}},
        {"n": 2, "inner": {"old": None, "same": "s", "new": "v2"}},
    ]
    assert [row[1] for row in shop.rows()] == [[value, None] if array else value for value in values]


@pytest.mark.parametrize(
    ("before", "after", "good", "bad"),
    [
        ("double", "long", "3", "9007199254740993"),
        ("decimal", "double", "2.5", "0.0000000000012"),
        ("date", "timestamp", "2024-02-29 00:00:00", None),
        ("string", "date", "2024-02-29", None),
    ],
)
def test_a_changed_type_never_alters_a_value(shop, before, after, good, bad):
    first = {"double": "1.5", "decimal": "1.5", "date": "2024-01-01", "string": "x"}[before]
    assert not load(shop, "rows1.csv", f"id,v\n1,{first}\n", {"id": "int", "v": before}).failures
    assert not load(shop, "rows2.csv", f"id,v\n2,{good}\n", {"id": "int", "v": after}).failures
    assert shop.query("SELECT count(*), count(v) FROM shop.rows") == [(2, 2)]
    if bad:
        (failure,) = load(shop, "rows3.csv", f"id,v\n3,{bad}\n", {"id": "int", "v": after}).failures
        assert "the column v of shop.rows cannot hold" in failure.error
        assert "rows.sl.yml" in failure.error
        assert shop.query("SELECT count(*) FROM shop.rows") == [(2,)]
        assert "stage/shop/rows3.csv" in shop.files()


def test_a_type_that_a_column_does_not_take_is_told(shop, monkeypatch, capsys, caplog):
    load(shop, "rows1.csv", "id,v\n1,x\n", {"id": "int", "v": "string"})
    shop.table("rows", {"id": "int", "v": "date"})
    assert (
        "the column v of shop.rows stays VARCHAR, but the metadata has DATE" in validated(shop, monkeypatch, capsys)[1]
    )
    with caplog.at_level(logging.WARNING):
        load(shop, "rows2.csv", "id,v\n2,2024-02-29\n", {"id": "int", "v": "date"})
    assert "the column v of shop.rows stays VARCHAR, but the metadata has DATE" in caplog.text


def test_a_task_that_loses_a_column_keeps_it(shop, caplog):
    def transform(sql, **keys):
        shop.task("kpi.rows", sql, **keys)
        return Engine.open(shop.root, environment=shop.environment).transform(TransformRequest("kpi.rows")).error

    assert transform("SELECT 1 AS id, 'x' AS label") is None
    with caplog.at_level(logging.WARNING):
        assert transform("SELECT 2 AS id") is None
    assert "the task lacks the column label of kpi.rows, which is kept with its 1 value" in caplog.text
    assert shop.rows("kpi.rows") == [(1, "x"), (2, None)]
    assert "the column id of kpi.rows cannot hold 2.5 unchanged" in transform("SELECT CAST(2.5 AS DOUBLE) AS id")
    attributes = [{"name": "id", "type": "int"}]
    assert transform("SELECT 3 AS id", attributes=attributes, syncStrategy="ALL") is None
    assert shop.rows("kpi.rows") == [(1,), (2,), (3,)]


def test_validate_says_nothing_of_a_database_that_follows_the_metadata(shop, monkeypatch, capsys):
    load(shop, "rows1.csv", "id,v\n1,x\n", {"id": "int", "v": "string"}, writeStrategy={"type": "SCD2", "key": ["id"]})
    assert validated(shop, monkeypatch, capsys) == (0, "0 error(s), 0 warning(s)\n")
