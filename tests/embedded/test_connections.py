"""Connections of DuckDB: which database is written, and which options are refused."""

from __future__ import annotations

import duckdb
import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.project.checks.project_checks import validate
from tests.stored_rows import rows_in
from tests.waiting import all_at_once

MEMORY = "jdbc:duckdb:"


def connect(shop, url=MEMORY, *, others=None, **options):
    connections = {"lake": {"type": "jdbc", "options": {"url": url, **options}}, **(others or {})}
    shop.application(connectionRef="lake", connections=connections)
    shop.table("rows", {"id": "int"})


def load(shop):
    assert [job.error for job in shop.engine.load().jobs] == [None]


def transform(shop, name):
    assert shop.engine.transform(TransformRequest(name)).error is None


@pytest.mark.parametrize("path", ["datasets/other.db", "{root}/deep/er/other.db"])
@pytest.mark.parametrize(
    "actions",
    [
        "ATTACH '{path}' AS other; USE other;",
        "attach if not exists '{path}' as \"other\" (TYPE duckdb);\n-- a comment; with a semicolon\nuse other",
        "SET threads = 2; LOAD json; ATTACH DATABASE '{path}' AS o (READ_WRITE); USE o.main;",
        "ATTACH '{path}'; USE other; PRAGMA enable_object_cache",
        "ATTACH ':memory:' AS scratch; USE scratch; ATTACH '{path}' AS other; USE other",
    ],
)
def test_rows_and_audit_go_to_the_attached_database_in_use(shop, actions, path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # a relative path starts at the project's root, wherever the process is
    path = path.format(root=shop.root)
    connect(shop, preActions=actions.format(path=path))
    shop.task("kpi.ids", "SELECT max(id) AS id FROM shop.rows", presql=["CREATE TABLE log AS SELECT 1 AS x"])
    for number in (1, 2):
        shop.put(f"rows{number}.csv", f"id\n{number}\n")
        load(shop)
    transform(shop, "kpi.ids")
    file = shop.root / path
    assert rows_in(file, "SELECT id FROM shop.rows ORDER BY id") == [(1,), (2,)]
    assert rows_in(file, "SELECT id FROM kpi.ids") == [(2,)]
    assert rows_in(file, "SELECT x FROM kpi.log") == [(1,)]
    assert 64 <= int.from_bytes(file.read_bytes()[12:20], "little") <= 68  # storage versions that Starlake reads
    assert rows_in(file, "SELECT count(*) FROM audit.audit WHERE success") == [(3,)]
    assert rows_in(file, "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'zztmp%'") == [(0,)]
    assert shop.files()[:2] == ["archive/shop/rows1.csv", "archive/shop/rows2.csv"]
    assert [finding for finding in validate(shop.root, environment=shop.environment) if finding.is_error] == []


def test_an_attached_database_is_read_without_being_written(shop):
    with duckdb.connect(str(shop.root / "facts.db")) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.rates AS SELECT 2 AS rate")
        connection.execute("CREATE TABLE shop.rows AS SELECT 'not ours' AS other")
    connect(shop, f"jdbc:duckdb:{shop.root}/datasets/duckdb.db", preActions="ATTACH 'facts.db' AS f (READ_ONLY)")
    shop.put("rows.csv", "id\n21\n")
    shop.task("kpi.ids", "SELECT id * rate AS id FROM shop.rows, f.shop.rates")
    load(shop)
    transform(shop, "kpi.ids")
    assert shop.rows("kpi.ids") == [(42,)]


def test_sql_of_the_project_that_uses_another_database_does_not_move_the_rows(shop):
    connect(shop, preActions="ATTACH 'one.db' AS one; ATTACH 'two.db' AS two; USE one")
    shop.table("rows", {"id": "int"}, presql=["USE two", "SET threads = 1"], postsql=["USE two"])
    shop.task("kpi.ids", "SELECT 1 AS id", presql=["USE two"], postsql=["USE two"])
    shop.put("rows.csv", "id\n1\n")
    load(shop)
    transform(shop, "kpi.ids")
    assert rows_in(shop.root / "one.db", "SELECT id FROM shop.rows UNION ALL SELECT id FROM kpi.ids") == [(1,), (1,)]
    assert rows_in(shop.root / "two.db", "SELECT count(*) FROM duckdb_tables()") == [(0,)]


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        (MEMORY, {}, "its rows are lost when the command ends"),
        ("jdbc:duckdb::memory:", {}, "its rows are lost"),
        ("jdbc:duckdb::memory:name", {}, "its rows are lost"),
        (MEMORY, {"preActions": "ATTACH 'x.db' AS x"}, "its rows are lost"),
        (MEMORY, {"preActions": "ATTACH 'x.db' AS x; USE x; USE memory"}, "its rows are lost"),
        (MEMORY, {"preActions": "ATTACH ':memory:' AS x; USE x"}, "its rows are lost"),
        (MEMORY, {"preActions": "ATTACH 'x.db' AS x (READ_ONLY); USE x"}, "READ_ONLY"),
        (MEMORY, {"preActions": "ATTACH 'x.db' AS x (TYPE duckdb, READ_ONLY true); USE x"}, "READ_ONLY"),
        (MEMORY, {"preActions": "ATTACH 'x.db' (TYPE sqlite); USE x"}, "not a DuckDB file"),
        (MEMORY, {"preActions": "ATTACH 'ducklake:postgres:dbname=c' AS x; USE x"}, "not a DuckDB file"),
        ("jdbc:duckdb:md:shop", {}, "md: databases"),
        ("jdbc:duckdb:s3://bucket/x.db", {}, "s3: databases"),
        ("jdbc:duckdb:x.db", {"preActions": "CREATE TABLE t (i INTEGER)"}, "CREATE TABLE cannot be run"),
        ("jdbc:duckdb:x.db", {"preActions": "SET threads=2; DETACH x"}, "DETACH cannot be run"),
        ("jdbc:duckdb:x.db", {"preActions": "DELETE FROM a"}, "DELETE cannot be run"),
        ("jdbc:duckdb:x.db", {"preActions": "SET TimeZone = 'Europe/Paris'"}, "computes in UTC"),
        ("jdbc:duckdb:x.db", {"preActions": "SET SESSION TIME ZONE 'Europe/Paris'"}, "computes in UTC"),
        ("jdbc:duckdb:x.db", {"preActions": "SET schema = 'other'"}, "write USE"),
        ("jdbc:duckdb:x.db", {"preActions": "SET nonsense = 1"}, "SET nonsense failed"),
        ("jdbc:duckdb:x.db", {"access_mode": "READ_ONLY"}, "READ_ONLY"),
        ("jdbc:duckdb:x.db;access_mode=read_only", {}, "READ_ONLY"),
        ("jdbc:duckdb:x.db", {"theads": "4"}, "theads"),
        ("jdbc:duckdb:x.db;theads=4", {}, "theads"),
        ("jdbc:duckdb:x.db", {"dbtable": "t"}, "dbtable"),
        ("jdbc:duckdb:x.db", {"SL_DATA_PATH": "t"}, "SL_DATA_PATH"),
        ("jdbc:duckdb:x.db", {"driver": "org.postgresql.Driver"}, "driver of DuckDB"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name_and_keeps_the_files(shop, url, options, said):
    connect(shop, url, **options)
    shop.put("rows.csv", "id\n1\n")
    with pytest.raises(StarlakeError) as raised:
        shop.engine.load()
    assert said in str(raised.value)
    assert "application.sl.yml:1: connection lake" in str(raised.value)
    assert [name for name in shop.files() if "rows" in name] == ["stage/shop/rows.csv"]


def test_settings_behind_the_address_count(shop):
    connect(shop, f"jdbc:duckdb:{shop.root}/datasets/duckdb.db;threads=1;default_null_order=nulls_first")
    shop.task("kpi.settings", "SELECT current_setting('threads') AS t, current_setting('default_null_order') AS n")
    transform(shop, "kpi.settings")
    assert [(threads, order.lower()) for threads, order in shop.rows("kpi.settings")] == [(1, "nulls_first")]


def test_validate_names_the_line_of_the_connection(shop):
    connect(shop)
    shop.root.joinpath("metadata/application.sl.yml").write_text(
        "version: 1\napplication:\n  connectionRef: lake\n  connections:\n    lake:\n      type: jdbc\n      options:\n"
        '        url: "jdbc:duckdb:x.db"\n        preActions: >\n          LOAD json;\n          DROP TABLE x;\n',
        encoding="utf-8",
    )
    errors = [each for each in validate(shop.root, environment=shop.environment) if each.is_error]
    assert [(each.file.name, each.line) for each in errors] == [("application.sl.yml", 9)]
    assert "DROP TABLE cannot be run" in errors[0].message


def test_a_missing_extension_is_named(shop, tmp_path):
    no_extensions = f"SET extension_directory = '{tmp_path}/none'; SET autoinstall_known_extensions = false;"
    connect(shop, preActions=f"{no_extensions} LOAD ducklake; ATTACH 'ducklake:c.ducklake' AS lake; USE lake")
    shop.put("rows.csv", "id\n1\n")
    with pytest.raises(StarlakeError) as raised:
        shop.engine.load()
    assert "LOAD ducklake failed" in str(raised.value)
    assert "install the DuckDB extension ducklake" in str(raised.value)
    assert "stage/shop/rows.csv" in shop.files()


def test_a_secret_of_pre_actions_is_not_shown(shop):
    secret = "CREATE SECRET s (TYPE nonsense, KEY_ID 'me', SECRET 'hush-hush')"
    connect(shop, "jdbc:duckdb:x.db", preActions=secret)
    shop.put("rows.csv", "id\n1\n")
    with pytest.raises(StarlakeError) as raised:
        shop.engine.load()
    assert "CREATE SECRET" in str(raised.value)
    assert "hush-hush" not in str(raised.value)


def test_two_connections_that_open_one_file_differently_are_refused(shop):
    others = {"plain": {"type": "jdbc", "options": {"url": "jdbc:duckdb:one.db"}}}
    connect(shop, preActions="ATTACH 'one.db' AS one; USE one", others=others)
    shop.application(
        connectionRef="lake",
        connections={
            "lake": {"type": "jdbc", "options": {"url": MEMORY, "preActions": "ATTACH 'one.db' AS one; USE one"}},
            **others,
        },
        audit={"sink": {"connectionRef": "plain"}},
    )
    shop.put("rows.csv", "id\n1\n")
    with pytest.raises(StarlakeError, match="so does the connection"):
        shop.engine.load()
    assert "stage/shop/rows.csv" in shop.files()
    findings = validate(shop.root, environment=shop.environment)
    assert any("so does the connection plain" in finding.message for finding in findings)


def test_threads_that_attach_one_file_take_turns(shop):
    connect(shop, preActions="ATTACH 'one.db' AS one; USE one")
    shop.table("more", {"id": "int"})
    shop.put("rows.csv", "id\n1\n")
    shop.put("more.csv", "id\n1\n")
    loads = [lambda name=name: shop.engine.load(["shop"], [name]).failures for name in ("rows", "more")]
    assert all_at_once(*loads) == [(), ()]
    assert rows_in(shop.root / "one.db", "SELECT id FROM shop.rows UNION ALL SELECT id FROM shop.more") == [(1,), (1,)]


def test_a_task_that_runs_on_one_connection_and_writes_to_another_is_refused(shop):
    others = {"mart": {"type": "jdbc", "options": {"url": "jdbc:duckdb:mart.db"}}}
    connect(shop, "jdbc:duckdb:one.db", others=others)
    shop.task("kpi.ids", "SELECT 1 AS id", connectionRef="lake", sink={"connectionRef": "mart"})
    with pytest.raises(StarlakeError, match="runs on the connection lake and its sink writes to mart"):
        shop.engine.transform(TransformRequest("kpi.ids"))
    findings = validate(shop.root, environment=shop.environment)
    assert any("its sink writes to mart" in finding.message for finding in findings)


@pytest.mark.parametrize("url", ["jdbc:duckdb:ducklake:c.ducklake", MEMORY])
def test_a_ducklake_holds_the_rows_or_is_refused(shop, url):
    """If the extension is installed the rows are in the lake; elsewhere nothing leaves the stage area."""
    attach = "ATTACH IF NOT EXISTS 'ducklake:c.ducklake' AS my_lake (DATA_PATH 'data_files/'); USE my_lake;"
    connect(shop, url, preActions="INSTALL ducklake; LOAD ducklake;" + (attach if url == MEMORY else ""))
    shop.put("rows1.csv", "id\n1\n")
    try:
        load(shop)
    except StarlakeError as error:
        assert "install the DuckDB extension ducklake" in str(error)  # noqa: PT017  one of two outcomes
        assert "stage/shop/rows1.csv" in shop.files()
        return
    shop.put("rows2.csv", "id\n2\n")
    shop.table("rows", {"id": "int", "more": "string"})
    load(shop)
    shop.task("kpi.ids", "SELECT max(id) AS id FROM shop.rows")
    transform(shop, "kpi.ids")
    with duckdb.connect() as connection:
        connection.execute(f"LOAD ducklake; ATTACH 'ducklake:{shop.root}/c.ducklake' AS l; USE l")
        assert connection.execute("SELECT * FROM shop.rows ORDER BY id").fetchall() == [(1, None), (2, None)]
        assert connection.execute("SELECT * FROM kpi.ids").fetchall() == [(2,)]
        assert connection.execute("SELECT count(*) FROM audit.audit WHERE success").fetchall() == [(3,)]
