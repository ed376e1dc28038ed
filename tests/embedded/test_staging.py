"""From the landing area to the stage area: no file is lost or replaced, no bad one stands in the way of good ones."""

from __future__ import annotations

import errno
import fcntl
import gzip
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.areas import delivery
from ai.starlake.embedded.areas import stage as landing
from ai.starlake.embedded.areas.archives import ArchiveError, opened
from ai.starlake.embedded.intake import load_jobs
from ai.starlake.project.landing import FileRule, FileRules
from tests.waiting import all_at_once

ID = {"id": "int"}
CSV = r"rows.*\.csv"


def zipped(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return out.getvalue()


def tarred(members, mode="w:gz"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as packed:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content.encode()))
    return out.getvalue()


def rows(*numbers):
    return "id\n" + "".join(f"{number}\n" for number in numbers)


KINDS = {
    "zip": zipped,
    "tgz": tarred,
    "tar.gz": tarred,
    "tar": lambda members: tarred(members, "w"),
    "TGZ": tarred,
    "csv.gz": lambda members: gzip.compress(members[0][1].encode()),
}


@pytest.fixture
def land(shop):
    """Put a file into the landing area; each is a minute younger than the one before."""
    shop.table("rows", ID, pattern=CSV)
    age = iter(range(1000, 0, -1))

    def put(name, content):
        file = shop.put(name, content, area="incoming/shop")
        time = 1_700_000_000 - 60 * next(age)
        os.utime(file, (time, time))
        return file

    return put


def landed(shop):
    """Return the names of all that is in the landing area, hidden files too."""
    return sorted(path.name for path in (shop.root / "incoming/shop").iterdir())


def all_files(shop):
    """All files of all areas but the database, hidden ones too."""
    return sorted(
        str(path.relative_to(shop.root / "datasets"))
        for path in (shop.root / "datasets").rglob("*")
        if not path.name.startswith("duckdb.db") and (path.is_file() or path.name.startswith("."))
    )


def refused(shop, match):
    with pytest.raises(StarlakeError, match=match):
        shop.engine.stage()


def loaded(shop):
    assert not shop.engine.load().failures
    return sorted(number for (number,) in shop.rows())


class TestNamesThatAreTaken:
    @pytest.mark.parametrize("kind", sorted(KINDS))
    def test_members_of_one_name_in_several_archives(self, shop, land, kind):
        for day in (1, 2, 3):
            name = f"rows.{kind}" if kind == "csv.gz" else f"day{day}.{kind}"
            land(name if day == 1 or kind != "csv.gz" else f"rows{day}.{kind}", KINDS[kind]([("rows.csv", rows(day))]))
        assert len(shop.engine.stage().moves) == 3
        assert landed(shop) == []
        assert loaded(shop) == [1, 2, 3]

    def test_the_names_that_they_get(self, shop, land, caplog):
        land("day1.zip", zipped([("rows.csv", rows(1)), ("rows-2.csv", rows(2))]))
        land("day2.zip", zipped([("rows.csv", rows(3)), ("rows-2.csv", rows(4))]))
        names = [move.name for move in shop.engine.stage().moves]
        assert names == ["rows.csv", "rows-2.csv", "rows_2.csv", "rows-2-2.csv"]
        assert "rows.csv is staged as rows_2.csv" in caplog.text
        assert loaded(shop) == [1, 2, 3, 4]

    @pytest.mark.parametrize("plain_first", [True, False])
    def test_a_plain_file_beside_its_gz(self, shop, land, plain_first):
        files = [("rows.csv", rows(1)), ("rows.csv.gz", gzip.compress(rows(2).encode()))]
        for name, content in files if plain_first else reversed(files):
            land(name, content)
        shop.engine.stage()
        assert loaded(shop) == [1, 2]

    def test_a_file_that_comes_again_before_the_load(self, shop, land):
        for number in (1, 2, 2):
            land("rows.csv", rows(number))
            shop.engine.stage()
        assert loaded(shop) == [1, 2, 2]

    def test_a_file_without_another_name_waits(self, shop, land):
        shop.table("rows", ID, pattern=r"rows-\d{4}\.csv|other\.csv")
        land("rows-2024.csv", rows(1))
        shop.engine.stage()
        land("rows-2024.csv", rows(2))
        land("other.csv", rows(3))
        refused(
            shop,
            r"rows-2024\.csv .* cannot be staged\n.*a file of its name waits in .*\n.*load the files that wait there",
        )
        assert landed(shop) == ["rows-2024.csv"]
        assert loaded(shop) == [1, 3]
        shop.engine.stage()
        assert loaded(shop) == [1, 2, 3]

    def test_an_archive_whose_file_has_no_other_name_waits_as_a_whole(self, shop, land):
        shop.table("rows", ID, pattern=r"rows\d\.csv")
        land("rows1.csv", rows(1))
        land("day.zip", zipped([("rows2.csv", rows(2)), ("rows1.csv", rows(3))]))
        refused(shop, r"rows1\.csv .* cannot be staged")
        assert landed(shop) == ["day.zip"]
        assert all_files(shop) == ["stage/shop/rows1.csv"]
        assert loaded(shop) == [1]
        shop.engine.stage()
        assert loaded(shop) == [1, 2, 3]

    def test_a_name_of_another_table_is_not_taken(self, shop, land):
        shop.table("old", ID, pattern=r"rows-2\.csv")
        land("rows.csv", rows(1))
        land("rows.zip", zipped([("rows.csv", rows(2))]))
        assert [move.name for move in shop.engine.stage().moves] == ["rows.csv", "rows_2.csv"]

    def test_files_that_no_table_wants_are_kept_side_by_side(self, shop, land):
        for content in ("one", "two"):
            shop.put("strange.txt", content)
            assert shop.engine.load().unresolved == ("strange.txt",)
        folder = shop.root / "datasets/unresolved/shop"
        assert sorted(file.read_text() for file in folder.iterdir()) == ["one", "two"]


class TestWhatElseIsInArchives:
    @pytest.mark.parametrize("name", [".rows.csv", "deep/.rows.csv", "__MACOSX/._rows.csv", "readme.txt", "in.zip"])
    @pytest.mark.parametrize("kind", ["zip", "tgz"])
    def test_it_is_kept_with_the_archive(self, shop, land, caplog, kind, name):
        land(f"day.{kind}", KINDS[kind]([("rows.csv", rows(1)), (name, rows(2))]))
        shop.engine.stage()
        assert landed(shop) == []
        assert all_files(shop) == ["stage/shop/rows.csv", f"unresolved/shop/day.{kind}"]
        assert name.rpartition("/")[2] in caplog.text
        assert loaded(shop) == [1]

    def test_a_kept_archive_does_not_replace_another(self, shop, land):
        for number in (1, 2):
            land("day.zip", zipped([("rows.csv", rows(number)), ("readme.txt", str(number))]))
            shop.engine.stage()
        assert len(list((shop.root / "datasets/unresolved/shop").iterdir())) == 2

    def test_an_archive_of_hidden_files_only_stays(self, shop, land, caplog):
        land("day.zip", zipped([(".rows.csv", rows(1))]))
        assert shop.engine.stage().unmatched == ("day.zip",)
        assert landed(shop) == ["day.zip"]
        assert "day.zip" in caplog.text

    def test_links_in_archives(self, shop, land):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as packed:
            for name, kind, link in (
                ("rows1.csv", tarfile.REGTYPE, ""),
                ("rows2.csv", tarfile.LNKTYPE, "rows1.csv"),
                ("rows3.csv", tarfile.SYMTYPE, "/etc/passwd"),
                ("rows4.csv", tarfile.FIFOTYPE, ""),
            ):
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = kind, link
                entry.size = len(rows(1)) if kind == tarfile.REGTYPE else 0
                packed.addfile(entry, io.BytesIO(rows(1).encode()))
        land("day.tgz", out.getvalue())
        assert [move.name for move in shop.engine.stage().moves] == ["rows1.csv", "rows2.csv"]
        assert all_files(shop)[-1] == "unresolved/shop/day.tgz"
        assert loaded(shop) == [1, 1]

    def test_a_link_in_a_zip_is_not_a_file(self, shop, land):
        link = zipfile.ZipInfo("rows2.csv")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        land("day.zip", zipped([("rows1.csv", rows(1)), (link, "/etc/passwd")]))
        shop.engine.stage()
        assert loaded(shop) == [1]

    def test_files_of_tables_that_are_not_selected_are_not_lost(self, shop, land):
        shop.table("more", ID, pattern=r"more.*\.csv")
        land("day.zip", zipped([("rows.csv", rows(1)), ("more.csv", rows(2))]))
        shop.engine.stage(["shop"], ["rows"])
        assert shop.files() == ["stage/shop/more.csv", "stage/shop/rows.csv"]


def encrypted():
    """Return a zip whose file says that it is encrypted."""
    content = bytearray(zipped([("rows.csv", rows(9))]))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    return bytes(content)


def unknown_method():
    content = bytearray(zipped([("rows.csv", rows(9))], zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(mark) + offset] = 99
    return bytes(content)


def wrong_checksum():
    content = bytearray(zipped([("rows.csv", rows(9))], zipfile.ZIP_STORED))
    content[content.index(b"id\n") + 3] = ord("7")
    return bytes(content)


def damaged_tar():
    content = bytearray(tarred([("rows1.csv", rows(8)), ("rows2.csv", rows(9))], "w"))
    content[1024 + 150] ^= 1  # the checksum of the second header
    return gzip.compress(bytes(content))


MEMBER = gzip.compress(rows(9).encode())
BAD_ARCHIVES = {
    "text.zip": b"no archive",
    "empty.zip": b"",
    "encrypted.zip": encrypted(),
    "method.zip": unknown_method(),
    "checksum.zip": wrong_checksum(),
    "cut.zip": zipped([("rows.csv", rows(9))])[:-9],
    "text.tgz": b"no archive",
    "empty.tgz": b"",
    "cut.tgz": tarred([("rows.csv", rows(*range(5000)))])[:-20],
    "header.tgz": damaged_tar(),
    "two.tgz": gzip.compress(tarred([("rows1.csv", rows(8))], "w") + tarred([("rows2.csv", rows(9))], "w")),
    "text.tar": b"no archive",
    "cut.tar": tarred([("rows.csv", rows(*range(5000)))], "w")[:8000],
    "rows.csv.gz": b"no archive",
    "rows1.csv.gz": b"",
    "rows2.csv.gz": MEMBER[:-4],
    "rows3.csv.gz": MEMBER[:-8] + b"\0\0\0\0" + MEMBER[-4:],
    "rows4.csv.gz": MEMBER + b"rubbish",
    "long.zip": zipped([(f"rows{'x' * 260}.csv", rows(9))]),
    "long.tgz": tarred([(f"rows{'x' * 260}.csv", rows(9))]),
    "twice.zip": zipped([("a/rows.csv", rows(8)), ("b/rows.csv", rows(9))]),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
class TestBadFiles:
    @pytest.mark.parametrize("name", sorted(BAD_ARCHIVES))
    def test_good_files_beside_a_bad_archive_are_staged(self, shop, land, name):
        land(name, BAD_ARCHIVES[name])
        land("rows-good.csv", rows(1))
        land("good.zip", zipped([("rows-better.csv", rows(2))]))
        refused(shop, name.replace(".", r"\.") if not name.startswith("long") else "cannot be staged")
        assert landed(shop) == [name]
        assert all_files(shop) == ["stage/shop/rows-better.csv", "stage/shop/rows-good.csv"]

    def test_all_bad_ones_are_named(self, shop, land):
        for name, content in BAD_ARCHIVES.items():
            land(name, content)
        with pytest.raises(StarlakeError) as caught:
            shop.engine.stage()
        assert [name for name in BAD_ARCHIVES if not name.startswith("long") and name not in str(caught.value)] == []
        assert landed(shop) == sorted(BAD_ARCHIVES)
        assert all_files(shop) == []

    def test_what_is_wrong_is_said_in_words(self, shop, land):
        land("day.zip", encrypted())
        refused(shop, r"the archive .*day\.zip cannot be unpacked\nit is encrypted\n.*take it out of the landing area")

    def test_a_check_says_that_a_bad_archive_is_not_nothing(self, shop, land):
        land("day.zip", b"no archive")
        with pytest.raises(StarlakeError, match=r"day\.zip"):
            shop.engine.preload("shop", strategy="imported")
        land("rows.csv", rows(1))
        assert shop.engine.preload("shop", strategy="imported").counts == {"rows": 1}

    @pytest.mark.parametrize("tail", [".csv", ".csv.gz", ".zip"])
    def test_the_longest_names(self, shop, land, tail):
        inner = f"rows{'x' * (251 - len(tail if tail != '.zip' else '.csv'))}.csv"
        if tail == ".csv":
            land(inner, rows(1))
        elif tail == ".zip":
            land("day.zip", zipped([(inner, rows(1))]))
        else:
            land(f"{inner[:-4]}.csv.gz", gzip.compress(rows(1).encode()))
        shop.engine.stage()
        assert loaded(shop) == [1]

    def test_a_long_name_that_is_taken(self, shop, land):
        name = f"rows{'x' * 247}.csv"
        for number in (1, 2):
            land(name, rows(number))
            if number == 1:
                shop.engine.stage()
        refused(shop, "cannot be staged")
        assert landed(shop) == [name]
        assert loaded(shop) == [1]

    def test_names_that_are_not_utf_8(self, shop, land):
        land("rows-good.csv", rows(1))
        folder = os.fsencode(shop.root / "incoming/shop")
        (Path(os.fsdecode(folder + b"/rows\xff.csv"))).write_text(rows(9))
        refused(shop, r"rows\\xff\.csv in .* cannot be used\nits name is not UTF-8")
        assert loaded(shop) == [1]
        assert len(landed(shop)) == 1

    def test_a_tar_with_a_name_that_is_not_utf_8(self, shop, land):
        land("day.tgz", tarred([("rows\udcff.csv", rows(9))]))
        refused(shop, r"day\.tgz cannot be unpacked\nthe name of its file rows\\xff\.csv is not UTF-8")

    def test_names_that_are_not_utf_8_in_the_stage_area(self, shop, land):
        """A load loads the good files and fails for the others, which stay."""
        shop.put("rows-good.csv", rows(1))
        stage = os.fsencode(shop.root / "datasets/stage/shop")
        Path(os.fsdecode(stage + b"/rows\xff.csv")).write_text(rows(9))
        (failure,) = shop.engine.load().failures
        assert failure.files == (r"rows\xff.csv",)
        assert "its name is not UTF-8" in failure.error
        assert shop.rows() == [(1,)]
        assert [path.name for path in Path(os.fsdecode(stage)).iterdir()] == ["rows\udcff.csv"]

    def test_a_stranger_whose_name_is_not_utf_8_is_set_aside(self, shop, land, caplog):
        shop.put("rows-good.csv", rows(1))
        Path(os.fsdecode(os.fsencode(shop.root / "datasets/stage/shop") + b"/x\xff")).write_text("")
        assert not shop.engine.load().failures
        assert r"x\xff" in caplog.text
        assert [path.name for path in (shop.root / "datasets/unresolved/shop").iterdir()] == ["x\udcff"]

    @pytest.mark.parametrize("area", ["incoming", "datasets/stage"])
    @pytest.mark.parametrize("target", ["rows-loop.csv", "missing.csv"])
    def test_links_that_lead_nowhere(self, shop, land, area, target):
        shop.put("rows-good.csv", rows(1), area=f"{area}/shop")
        link = shop.root / area / "shop/rows-loop.csv"
        link.symlink_to(target)
        if area == "incoming":
            refused(shop, r"rows-loop\.csv in .* cannot be used\nit is a link")
        else:
            (failure,) = shop.engine.load().failures
            assert "it is a link" in failure.error
        shop.engine.load()
        assert shop.rows() == [(1,)]
        assert link.is_symlink()

    @pytest.mark.parametrize("relative", [True, False])
    def test_what_a_link_points_to_is_staged(self, shop, land, relative):
        target = shop.put("export.csv", rows(1), area="incoming/elsewhere")
        (shop.root / "incoming/shop").mkdir(exist_ok=True)
        link = shop.root / "incoming/shop/rows.csv"
        link.symlink_to("../elsewhere/export.csv" if relative else target)
        shop.engine.stage()
        assert landed(shop) == []
        assert loaded(shop) == [1]
        assert target.exists()


ARCHIVED = {"rows1.csv": rows(*range(200)), "rows2.csv": rows(7)}
WHOLE = {kind: KINDS[kind]([("rows1.csv", ARCHIVED["rows1.csv"]), ("a/rows2.csv", rows(7))]) for kind in ("zip", "tgz")}


@pytest.mark.parametrize("kind", sorted(WHOLE))
@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_archive_loses_nothing_without_a_word(kind, tmp_path, data):
    """For any damaged bytes: it is refused, or each file is unchanged, or is kept with the archive."""
    content = bytearray(WHOLE[kind])
    at = data.draw(st.integers(0, len(content) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "remove"]))
    if how == "flip":
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[at : None if how == "cut" else at + data.draw(st.integers(1, 40))]
    file = tmp_path / f"day.{kind}"
    file.write_bytes(content)
    try:
        with opened(file) as archive:
            found = {member.name: member.open().read().decode() for member in archive.wanted(EVERYTHING)}
            kept = {member.name: ARCHIVED[member.name] for member in archive.members if not member.is_file}
    except ArchiveError:
        return
    assert {**found, **kept} == ARCHIVED


EVERYTHING = FileRules("shop", (FileRule("rows", "rows", ".*"),))


class TestFilesFromElsewhere:
    """``load --files`` copies files to the stage area first."""

    def test_they_do_not_replace_one_that_waits(self, shop, land):
        shop.put("rows.csv", rows(1))
        file = shop.put("rows.csv", rows(2), area="elsewhere")
        assert not shop.engine.load(["shop"], files=[str(file)]).failures
        assert shop.rows() == [(1,), (2,)]

    def test_a_retry_does_not_bring_them_twice(self, shop, land):
        shop.table("rows", ID, pattern=CSV, expectations=[{"expect": "nothing_of_the_kind"}])
        file = shop.put("rows.csv", rows(1), area="elsewhere")
        assert shop.engine.load(["shop"], files=[str(file)]).failures
        shop.table("rows", ID, pattern=CSV)
        assert not shop.engine.load(["shop"], files=[str(file)]).failures
        assert shop.rows() == [(1,)]

    def test_without_another_name_they_are_refused(self, shop, land):
        shop.table("rows", ID, pattern="rows.csv")
        shop.put("rows.csv", rows(1))
        file = shop.put("rows.csv", rows(2), area="elsewhere")
        with pytest.raises(StarlakeError, match="cannot be loaded yet"):
            shop.engine.load(["shop"], files=[str(file)])
        assert (shop.root / "datasets/stage/shop/rows.csv").read_text() == rows(1)


def test_files_that_vanish_before_the_load_are_not_missed(shop, land, monkeypatch):
    for number in (1, 2):
        shop.put(f"rows{number}.csv", rows(number))
    real = load_jobs.listed

    def listed(folder):
        found = real(folder)
        (folder / "rows1.csv").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(load_jobs, "listed", listed)
    assert loaded(shop) == [2]


class TestRoom:
    @pytest.mark.parametrize("kind", ["zip", "tgz", "tar", "csv.gz"])
    def test_a_bomb_is_refused_and_nothing_of_it_is_left(self, shop, land, kind):
        shop.environment["SL_MAX_UNPACKED_SIZE"] = "1MB"
        name = "rows.csv.gz" if kind == "csv.gz" else f"bomb.{kind}"
        land(name, KINDS[kind]([("rows.csv", rows(*[7] * 600_000))]))
        land("rows-good.csv", rows(1))
        refused(shop, r"its files are larger than 1,000,000 bytes together\n.*maxUnpackedSize")
        assert landed(shop) == [name]
        assert all_files(shop) == ["stage/shop/rows-good.csv"]

    def test_many_small_files_are_a_bomb_too(self, shop, land):
        shop.application(maxUnpackedSize="1MB")
        land("bomb.zip", zipped([(f"rows{n}.csv", "x" * 200_000) for n in range(6)]))
        refused(shop, "larger than 1,000,000 bytes")
        assert all_files(shop) == []

    def test_a_zip_that_lies_about_its_size(self, shop, land):
        content = bytearray(zipped([("rows.csv", rows(*[7] * 600_000))]))
        for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
            start = content.index(mark) + offset
            content[start : start + 4] = (1000).to_bytes(4, "little")
        land("bomb.zip", bytes(content))
        refused(shop, r"bomb\.zip cannot be unpacked")
        assert all_files(shop) == []

    def test_a_disk_that_is_nearly_full(self, shop, land, monkeypatch):
        land("rows.csv.gz", gzip.compress(rows(*range(300_000)).encode()))
        usage = shutil.disk_usage(shop.root)
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage._replace(total=20_000_000, free=2_000_000))
        refused(shop, "bytes left, which are too few")
        assert landed(shop) == ["rows.csv.gz"]
        assert all_files(shop) == []

    def test_the_limit_is_no_hindrance(self, shop, land):
        shop.application(maxUnpackedSize="1GiB")
        land("rows.csv.gz", gzip.compress(rows(1).encode()))
        shop.engine.stage()
        assert loaded(shop) == [1]


def stage_until(shop, deadly):
    """Stage in another process that dies before its step of that number; tell whether it did."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    count = 0

    def counting(owner, name):
        real = getattr(owner, name)

        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == deadly:
                os._exit(9)
            return real(*args, **kwargs)

        setattr(owner, name, call)

    for name in ("rename", "replace", "unlink", "mkdir"):
        counting(Path, name)
    for name in ("_remove_source", "_complete", "write"):
        counting(delivery, name)
    try:
        shop.engine.stage()
    except BaseException:  # noqa: BLE001
        os._exit(8)
    os._exit(0)


def test_killed_at_every_step(shop, land):
    """At any step: after the next stage every row is loaded once, and nothing is left behind."""
    died = []
    for deadly in range(1, 200):
        for number in (1, 2):
            land(f"day{number}.zip", zipped([("rows.csv", rows(number)), (f"rows{number}.csv", rows(number + 2))]))
        land("day3.zip", zipped([("rows.csv", rows(5)), ("readme.txt", "")]))
        land("rows.csv", rows(6))
        (shop.root / "incoming/target.csv").write_text(rows(7))
        (shop.root / "incoming/shop/rows-link.csv").symlink_to("../target.csv")
        died.append(stage_until(shop, deadly))
        shop.engine.stage()
        assert landed(shop) == []
        staged = (shop.root / "datasets/stage/shop").iterdir()
        assert sorted(path.read_text() for path in staged) == [rows(number) for number in range(1, 8)]
        assert [name for name in all_files(shop) if "stage/" not in name] == ["unresolved/shop/day3.zip"]
        shutil.rmtree(shop.root / "datasets")
        if not died[-1]:
            break
    assert len(died) > 40
    assert not died[-1]


class TestTwoAtOnce:
    def test_each_file_is_staged_once(self, shop, land):
        for number in range(20):
            land(f"rows{number}.csv", rows(number))
            land(f"day{number}.zip", zipped([("rows.csv", rows(number + 1000))]))

        def run():
            return shop.engine.stage()

        results = all_at_once(*[run] * 4)
        assert sum(len(result.moves) for result in results) == 40
        assert loaded(shop) == [*range(20), *range(1000, 1020)]

    def test_files_that_vanish_meanwhile_were_taken_by_another(self, shop, land, monkeypatch):
        land("rows1.csv", rows(1))
        land("rows2.csv.gz", gzip.compress(rows(2).encode()))
        land("day.zip", zipped([("rows3.csv", rows(3))]))
        land("rows4.csv", rows(4))
        real = landing.listed

        def listed(folder):
            found = real(folder)
            for name in ("rows1.csv", "rows2.csv.gz", "day.zip"):
                (folder / name).unlink()
            return found

        monkeypatch.setattr(landing, "listed", listed)
        assert [move.name for move in shop.engine.stage().moves] == ["rows4.csv"]

    def test_a_file_system_without_locks(self, shop, land, monkeypatch):
        def refuse(*_args):
            raise OSError(errno.ENOLCK, "no locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
        land("day.zip", zipped([("rows.csv", rows(1))]))
        shop.engine.stage()
        assert shop.files() == ["stage/shop/rows.csv"]
        with pytest.raises(StarlakeError, match="its file system refuses locks"):
            shop.engine.load()


class TestAcks:
    def test_an_ack_file_goes_with_the_last_file_that_needs_it(self, shop, land):
        shop.table("rows", ID, pattern=r"rows.*\.(csv|txt)", metadata={"ack": "ack"})
        for name in ("rows1.csv", "rows1.txt", "rows1.ack"):
            land(name, rows(1) if not name.endswith("ack") else "")
        assert len(shop.engine.stage().moves) == 2
        assert landed(shop) == []

    def test_an_ack_file_stays_with_a_file_that_cannot_be_staged(self, shop, land):
        shop.table("rows", ID, pattern=r"rows\.csv", metadata={"ack": "ack"})
        for number in (1, 2):
            land("rows.csv", rows(number))
            land("rows.ack", "")
            if number == 1:
                shop.engine.stage()
        refused(shop, "cannot be staged")
        assert landed(shop) == ["rows.ack", "rows.csv"]
