"""A killed load is repaired wherever the project is by then, and never while the load is alive."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.common.file_locks import FileLock
from ai.starlake.embedded import Engine
from tests.embedded.test_crashes import OLD, assert_loaded_once, csv, load_until, prepare
from tests.stored_rows import rows_in

BEFORE = 12
"""A change before which a load of `prepare` has files in the ingesting area, without their rows."""


@pytest.fixture
def portable(shop):
    """Return a project whose database goes with it."""
    return at(shop, "{{SL_ROOT}}/datasets/duckdb.db")


def at(shop, database, **application):
    connections = {"duckdb": {"type": "jdbc", "options": {"url": f"jdbc:duckdb:{database}"}}}
    content = {"connectionRef": "duckdb", "connections": connections, **application}
    shop.write("metadata/application.sl.yml", application=content)
    return shop


def move_project(shop, target):
    shop.root.rename(target)
    shop.root = target
    shop.environment["SL_ROOT"] = str(target)


def killed(shop, step):
    """Kills a load at a step; says whether the rows of a file that is still in the ingesting area are committed."""
    assert load_until(shop.root, shop.environment, step)
    ingesting = [name for name in shop.files() if name.startswith("ingesting/") and name.endswith(".csv")]
    assert ingesting, "no file was under way"
    return ingesting


@pytest.mark.parametrize("step", [5, 8, 14, 18, 20, 25, 31])
def test_a_project_that_moved_meanwhile(portable, tmp_path, step):
    prepare(portable)
    assert load_until(portable.root, portable.environment, step)
    move_project(portable, tmp_path / "elsewhere")
    assert not portable.engine.load().failures
    assert_loaded_once(portable)


def committed_but_not_archived(shop):
    """Kills loads until one dies between its commit and the move of its file; none commits before step 16."""
    template = shop.root.with_name("template")
    shop.root.rename(template)
    for step in range(16, 100):
        shutil.copytree(template, shop.root)
        assert load_until(shop.root, shop.environment, step)
        markers = shop.query("SELECT count(*) FROM information_schema.tables WHERE table_name LIKE 'zztmp_loaded%'")
        if markers != [(0,)] and any(name.startswith("ingesting/") and name.endswith(".csv") for name in shop.files()):
            return
        shutil.rmtree(shop.root)
    pytest.fail("no load died there")


def test_rows_that_are_committed_stay_so_when_the_project_moves(portable, tmp_path):
    prepare(portable)
    committed_but_not_archived(portable)
    move_project(portable, tmp_path / "elsewhere")
    assert not portable.engine.load().failures
    assert_loaded_once(portable)


@pytest.mark.parametrize("moved", [False, True])
def test_a_database_outside_of_the_project(shop, tmp_path, moved):
    """The database stays in its place, or moves on its own."""
    at(shop, "{{WAREHOUSE}}/rows.db")
    shop.environment["WAREHOUSE"] = str(tmp_path / "warehouse")
    shop.query = lambda sql: rows_in(Path(shop.environment["WAREHOUSE"], "rows.db"), sql)
    prepare(shop)
    committed_but_not_archived(shop)
    if moved:
        move_project(shop, tmp_path / "elsewhere")
        (tmp_path / "warehouse").rename(tmp_path / "store")
        shop.environment["WAREHOUSE"] = str(tmp_path / "store")
    else:
        (tmp_path / "deep").mkdir()
        move_project(shop, tmp_path / "deep" / "project")
    assert not shop.engine.load().failures
    assert_loaded_once(shop)


def test_rows_that_are_committed_to_the_database_of_before(portable, caplog):
    """The connection names another file by now; the rows are not loaded into that, too."""
    prepare(portable)
    committed_but_not_archived(portable)
    at(portable, "{{SL_ROOT}}/datasets/other.db")
    assert not portable.engine.load().failures
    assert_file_loaded_once(portable, "rows2.csv", ["datasets/duckdb.db", "datasets/other.db"])
    assert "was interrupted" in caplog.text


def assert_file_loaded_once(shop, name, databases):
    found = []
    for database in databases:
        query = f"SELECT count(*) FROM audit.audit WHERE SUCCESS AND PATHS LIKE '%/{name}'"
        found.append(rows_in(shop.root / database, query)[0][0])
    assert sum(found) == 1, found
    assert f"archive/shop/{name}" in [path.replace("other.db", "") for path in shop.files()]


def test_areas_that_moved(portable, tmp_path):
    """The stage area of the journal's time is not asked."""
    at(portable, "{{SL_ROOT}}/datasets/duckdb.db", area={"stage": "{{AREAS}}/stage", "archive": "{{AREAS}}/archive"})
    portable.environment["AREAS"] = str(tmp_path / "areas")
    portable.table("rows", {"id": "int", "label": "string"})
    portable.put("rows1.csv", csv(OLD), area=tmp_path / "areas/stage/shop")
    assert load_until(portable.root, portable.environment, BEFORE)
    (tmp_path / "areas").rename(tmp_path / "other")
    portable.environment["AREAS"] = str(tmp_path / "other")
    assert not portable.engine.load().failures
    assert portable.rows() == OLD
    assert (tmp_path / "other/archive/shop/rows1.csv").is_file()


def test_files_of_a_domain_that_is_gone_are_named(portable, caplog):
    prepare(portable)
    assert load_until(portable.root, portable.environment, BEFORE)
    (portable.root / "metadata/load/shop").rename(portable.root / "metadata/load/store")
    portable.engine.load()
    assert "ingesting/shop holds files of a load that was interrupted" in caplog.text
    assert ".csv" in caplog.text


def test_files_of_a_table_that_is_gone_go_back(portable, caplog):
    prepare(portable)
    killed(portable, BEFORE)
    for file in (portable.root / "metadata/load/shop").glob("[!_]*"):
        file.rename(file.with_name(f"new_{file.name}"))
        text = file.with_name(f"new_{file.name}").read_text()
        text = text.replace('"name": "rows"', '"name": "new_rows"').replace('"name": "added"', '"name": "new_added"')
        file.with_name(f"new_{file.name}").write_text(text)
    assert not portable.engine.load().failures
    assert portable.files() == [f"archive/shop/{name}.csv" for name in ("added1", "rows1", "rows2")]
    assert "was interrupted" in caplog.text


def test_a_journal_that_cannot_be_read_is_named(portable):
    prepare(portable)
    killed(portable, BEFORE)
    (journal,) = (portable.root / "datasets/ingesting/shop").glob(".starlake-load-*")
    journal.write_text("{")
    with pytest.raises(StarlakeError, match=r"\.starlake-load-.* cannot be read\n.*\n.*move those files"):
        portable.engine.load()


def test_a_journal_half_written_is_forgotten(portable):
    prepare(portable)
    ingesting = portable.root / "datasets/ingesting/shop"
    name = f".starlake-load-{zlib.crc32(b'shop.rows'):08x}-0123.part"
    for step in range(1, 12):
        if list(ingesting.glob("*.part")):
            break
        load_until(portable.root, portable.environment, step)
    (ingesting / name).write_text('{"tok')
    assert not portable.engine.load().failures
    assert_loaded_once(portable)


def turn(shop, table):
    """Return the lock that a load of a table holds as long as it lives."""
    return FileLock(shop.root / f"datasets/ingesting/shop/.starlake-turn-{zlib.crc32(table.encode()):08x}", fix="")


def test_a_load_that_is_alive_keeps_its_files(portable, caplog):
    """Even where its database could be opened, files of a load are left alone as long as it lives."""
    prepare(portable)
    ingesting = killed(portable, BEFORE)
    alive = turn(portable, "shop.rows")
    assert alive.acquire()
    portable.environment["SL_DUCKDB_LOCK_TIMEOUT"] = "0.2"
    with pytest.raises(StarlakeError, match=r"another load of shop\.rows is running"):
        portable.engine.load()
    assert "waiting for another load of shop.rows" in caplog.text
    assert set(ingesting) <= set(portable.files())
    alive.release()
    assert not portable.engine.load().failures
    (portable.root / "datasets/ingesting/shop").rmdir()  # nothing is left, locks included
    assert_loaded_once(portable)


def test_tables_of_one_domain_side_by_side(portable):
    names = ["one", "two", "three", "four"]
    for name in names:
        portable.table(name, {"id": "int"}, pattern=rf"{name}-.*")
        for number in range(3):
            portable.put(f"{name}-{number}.csv", f"id\n{number}\n")
    environment = {**os.environ, **portable.environment}
    command = [sys.executable, "-m", "ai.starlake.embedded", "load", "--domains", "shop", "--tables"]
    loads = [subprocess.Popen([*command, name], env=environment) for name in names]
    assert [load.wait(timeout=120) for load in loads] == [0] * 4
    for name in names:
        assert portable.rows(f"shop.{name}") == [(0,), (1,), (2,)]
    assert len([name for name in portable.files() if name.startswith("archive/")]) == 12


def test_what_another_command_is_about_is_left_to_it(portable):
    """A load of one table says nothing about files of another one in another database."""
    at(portable, "{{SL_ROOT}}/datasets/duckdb.db")
    prepare(portable)
    killed(portable, BEFORE)
    assert not Engine.open(portable.root, environment=portable.environment).load(["shop"], ["added"]).failures
    assert not portable.engine.load().failures
    assert_loaded_once(portable)


def test_files_that_another_program_left_in_the_ingesting_area_are_told(shop, caplog):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n", area="datasets/ingesting/shop")
    shop.put("other1.csv", "id\n1\n", area="datasets/ingesting/shop")
    assert shop.engine.load().jobs == ()
    assert "rows1.csv" in caplog.text
    assert "other1.csv" not in caplog.text
    shop.environment["SL_INGESTING_FILES"] = "fail"
    with pytest.raises(StarlakeError, match=r"no load of the engine is working on them: rows1\.csv"):
        shop.engine.load(["shop"], ["rows"])
    shop.table("more", {"id": "int"})
    shop.put("more1.csv", "id\n1\n")
    assert len(shop.engine.load(["shop"], ["more"]).jobs) == 1, "tables that have none are loaded"
