"""Files on their way through the areas."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from ai.starlake.common import StarlakeError

ODD_NAMES = (
    "rows '1'.csv",
    'rows"2".csv',
    "rows[3].csv",
    "rows*4?.csv",
    "rows {5}.csv",
    "rows#6%20é;.csv",
    "rows,7.csv",
)


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("kind", ["DSV", "JSON"])
def test_any_file_name(shop, name, kind):
    shop.table("rows", {"id": "long"}, metadata={"format": kind})
    shop.put("rows-other.csv.not", "nothing", area="datasets/archive/shop")
    shop.put(name, "id\n1\n" if kind == "DSV" else '{"id": 1}\n', area="incoming/shop")
    assert [move.name for move in shop.engine.stage().moves] == [name]
    assert not shop.engine.load().failures
    assert shop.rows() == [(1,)]
    assert f"archive/shop/{name}" in shop.files()


def archived(kind, members):
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as packed:
            for name, content in members.items():
                packed.writestr(name, content)
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as packed:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                packed.addfile(entry, io.BytesIO(content.encode()))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tgz", "tar.gz"])
def test_archives_are_unpacked(shop, kind):
    shop.table("rows", {"id": "int"}, pattern=r"rows\d\.csv")
    members = {"deep/rows1.csv": "id\n1\n", "rows2.csv": "id\n2\n", "../../rows3.csv": "id\n3\n", "readme.txt": "no"}
    shop.put(f"day.{kind}", archived(kind, members), area="incoming/shop")
    moves = shop.engine.stage().moves
    assert sorted(move.name for move in moves) == ["rows1.csv", "rows2.csv", "rows3.csv"]
    assert not list((shop.root / "incoming/shop").iterdir())
    shop.engine.load()
    assert shop.rows() == [(1,), (2,), (3,)]


@pytest.mark.parametrize("acked", ["day.ack", "rows1.ack"])
def test_an_archive_waits_for_an_ack_of_its_own_or_of_each_file(shop, acked):
    shop.table("rows", {"id": "int"}, metadata={"ack": "ack"})
    shop.put("day.zip", archived("zip", {"rows1.csv": "id\n1\n"}), area="incoming/shop")
    shop.put("rows2.csv", "id\n2\n", area="incoming/shop")
    assert not shop.engine.preload("shop", strategy="imported").ready
    assert not shop.engine.stage().moves
    shop.put(acked, "", area="incoming/shop")
    assert shop.engine.preload("shop", strategy="imported").counts == {"rows": 1}
    assert [move.name for move in shop.engine.stage().moves] == ["rows1.csv"]
    assert [path.name for path in (shop.root / "incoming/shop").iterdir()] == ["rows2.csv"]


def test_an_archive_is_left_alone_until_all_of_its_files_may_be_taken(shop):
    shop.table("rows", {"id": "int"}, metadata={"ack": "ack"})
    shop.table("more", {"id": "int"})
    members = {"rows1.csv": "id\n1\n", "more1.csv": "id\n2\n"}
    shop.put("day.zip", archived("zip", members), area="incoming/shop")
    assert not shop.engine.stage().moves
    assert [path.name for path in (shop.root / "incoming/shop").iterdir()] == ["day.zip"]


def test_two_files_of_one_name_in_an_archive_are_an_error(shop):
    shop.table("rows", {"id": "int"})
    members = {"monday/rows1.csv": "id\n1\n", "tuesday/rows1.csv": "id\n2\n"}
    shop.put("days.zip", archived("zip", members), area="incoming/shop")
    with pytest.raises(StarlakeError, match=r"days\.zip has several files named rows1\.csv"):
        shop.engine.stage()
    assert [path.name for path in (shop.root / "incoming/shop").iterdir()] == ["days.zip"]


def test_gzip_wanted_as_it_is(shop):
    shop.table("rows", {"id": "int"}, pattern=r"rows.*\.gz")
    shop.put("rows1.csv.gz", gzip.compress(b"id\n1\n"), area="incoming/shop")
    assert [move.name for move in shop.engine.stage().moves] == ["rows1.csv.gz"]
    assert not shop.engine.load().failures
    assert shop.rows() == [(1,)]


def test_a_damaged_archive_is_named(shop):
    shop.table("rows", {"id": "int"})
    shop.put("day.zip", b"no archive", area="incoming/shop")
    with pytest.raises(StarlakeError, match=r"day\.zip cannot be unpacked"):
        shop.engine.stage()


def test_files_of_other_tables_are_left_alone(shop):
    shop.table("rows", {"id": "int"})
    shop.table("more", {"id": "int"})
    for name in ("rows1.csv", "more1.csv", "strange.csv"):
        shop.put(name, "id\n1\n")
    assert shop.engine.load(["shop"], ["rows"]).unresolved == ()
    assert shop.files() == ["archive/shop/rows1.csv", "stage/shop/more1.csv", "stage/shop/strange.csv"]
    assert shop.engine.load().unresolved == ("strange.csv",)


def test_order_by_name_when_the_project_says_so(shop):
    shop.table("rows", {"id": "int"}, metadata={"writeStrategy": {"type": "OVERWRITE"}})
    shop.put("rows2.csv", "id\n2\n")
    shop.put("rows1.csv", "id\n1\n")
    shop.environment["SL_LOAD_STRATEGY"] = "ai.starlake.job.load.IngestionNameStrategy"
    shop.engine.load()
    assert shop.rows() == [(2,)]


def test_grouped_in_parts(shop):
    shop.table("rows", {"id": "int"}, metadata={"grouped": True})
    for number in range(5):
        shop.put(f"rows{number}.csv", f"id\n{number}\n")
    shop.environment["SL_GROUPED_MAX"] = "2"
    jobs = shop.engine.load().jobs
    assert [len(job.files) for job in jobs] == [2, 2, 1]
    assert [job.input_count for job in jobs] == [2, 2, 1]
    assert len(shop.rows()) == 5


def test_no_landing_area_is_an_error(shop):
    shop.write("metadata/load/shop/_config.sl.yml", load={"name": "shop"})
    shop.table("rows", {"id": "int"})
    with pytest.raises(StarlakeError, match="no landing area"):
        shop.engine.stage()


def test_a_file_from_elsewhere(shop):
    shop.table("rows", {"id": "int"})
    file = shop.put("rows1.csv", "id\n1\n", area="elsewhere")
    shop.engine.load(["shop"], files=[str(file)])
    assert shop.rows() == [(1,)]
    assert file.exists()


@pytest.mark.parametrize("name", ["shop", "store", "STORE"])
def test_a_domain_is_selected_by_its_folder_or_its_name(shop, name):
    shop.write("metadata/load/shop/_config.sl.yml", load={"name": "store"})
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n", area="datasets/stage/store")
    shop.engine.load([name])
    assert shop.rows("store.rows") == [(1,)]
