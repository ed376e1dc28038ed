"""Landing areas, and which files are ready: one rule for stage, pre-load checks, and load."""

from __future__ import annotations

import os

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.cli.main import run

ID = {"id": "int"}
GOOD = "id\n1\n"


@pytest.fixture
def command(shop, monkeypatch, capsys, caplog):
    """Run the command in process; return its exit code and what it says, warnings too."""

    def call(*arguments, **environment):
        for name in [name for name in os.environ if name.startswith("SL_")]:
            monkeypatch.delenv(name)
        for name, value in {**shop.environment, **environment}.items():
            monkeypatch.setenv(name, value)
        caplog.clear()
        return run(list(arguments)), capsys.readouterr().err + caplog.text

    return call


def second_domain(shop):
    """Another domain, which has a file to stage."""
    table = {"pattern": "more.*", "attributes": [{"name": "id", "type": "int"}]}
    shop.write("metadata/load/zoo/more.sl.yml", table={**table, "metadata": {"separator": ","}})
    shop.write("metadata/load/zoo/_config.sl.yml", load={"metadata": {"directory": "{{SL_ROOT}}/incoming/zoo"}})
    shop.put("more1.csv", GOOD, area="incoming/zoo")


class TestFoldersThatDoNotExist:
    def test_stage_fails_after_it_has_staged_the_other_domains(self, shop, command):
        shop.table("rows", ID)
        config = shop.root / "metadata/load/shop/_config.sl.yml"
        config.write_text("version: 1\nload:\n  metadata:\n    format: DSV\n    directory: '{{SL_ROOT}}/typo/shop'\n")
        second_domain(shop)
        code, said = command("stage")
        assert code == 1
        assert f"{config}:5: the landing area {shop.root}/typo/shop of the domain shop does not exist" in said
        assert "correct load.metadata.directory" in said
        assert shop.files() == ["stage/zoo/more1.csv"]

    def test_a_domain_without_landing_area_does_not_stand_in_the_way_either(self, shop, command):
        shop.write("metadata/load/shop/_config.sl.yml", load={"name": "shop"})
        shop.table("rows", ID)
        second_domain(shop)
        code, said = command("stage")
        assert code == 1
        assert "the domain shop has no landing area" in said
        assert shop.files() == ["stage/zoo/more1.csv"]

    @pytest.mark.parametrize("strategy", ["imported", "pending"])
    @pytest.mark.parametrize("tables", [(), ("--tables", "rows")])
    def test_a_check_fails(self, shop, command, strategy, tables):
        shop.table("rows", ID)
        sentinel = shop.root / "not.ready"
        words = ["preload", "--domain", "shop", *tables, "--strategy", strategy, "--notReadySentinel", str(sentinel)]
        code, said = command(*words)
        assert code == 1
        assert "shop/_config.sl.yml:1: the " in said
        assert "does not exist" in said
        assert not sentinel.exists()
        (shop.root / {"imported": "incoming/shop", "pending": "datasets/stage/shop"}[strategy]).mkdir(parents=True)
        assert command(*words)[0] == 0
        assert sentinel.exists()

    def test_a_file_in_place_of_the_folder(self, shop, command):
        shop.table("rows", ID)
        shop.put("shop", "", area="incoming")
        assert "incoming/shop of the domain shop is not a folder" in command("stage")[1]

    def test_a_load_says_it(self, shop, command):
        shop.table("rows", ID)
        code, said = command("load")
        assert code == 0
        assert f"the stage area {shop.root}/datasets/stage/shop of the domain shop does not exist" in said

    @pytest.mark.parametrize("how", ["application", "variable"])
    def test_a_project_may_take_them_for_empty_ones(self, shop, command, how):
        shop.table("rows", ID)
        variables = {}
        if how == "application":
            shop.application(missingFolders="empty")
        else:
            variables["SL_MISSING_FOLDERS"] = "empty"
        code, said = command("stage", **variables)
        assert code == 0
        assert "incoming/shop of the domain shop does not exist; it counts as empty" in said
        for strategy in ("imported", "pending"):
            asked = ("preload", "--domain", "shop", "--strategy", strategy, "--notReadySentinel", f"{shop.root}/s")
            assert command(*asked, **variables)[0] == 0

    def test_another_value_of_the_setting_is_an_error(self, shop, command):
        shop.application(missingFolders="maybe")
        shop.table("rows", ID)
        code, said = command("stage")
        assert code == 1
        assert "missingFolders" in said


@pytest.mark.parametrize("directory", ["incoming/shop", "file://{{SL_ROOT}}/incoming/shop", "./incoming/shop"])
def test_a_directory_means_one_folder_wherever_the_command_starts(shop, directory, tmp_path, monkeypatch):
    shop.write("metadata/load/shop/_config.sl.yml", load={"metadata": {"directory": directory}})
    shop.table("rows", ID)
    shop.put("rows1.csv", GOOD, area="incoming/shop")
    monkeypatch.chdir(tmp_path)
    assert shop.engine.preload("shop", strategy="imported").ready
    assert [move.name for move in shop.engine.stage().moves] == ["rows1.csv"]


class TestFilesThatMatchNoTable:
    @pytest.fixture
    def strangers(self, shop):
        shop.table("clients", ID, pattern=r"clients.*\.csv")
        shop.table("rows", ID, pattern=r"rows-\d+\.csv", metadata={"ack": "ok"})
        for name in ("client.csv", "ROWS-1.csv", "zebra.txt", "day.zip", "rows-9.ok", ".hidden.csv"):
            for area in ("incoming/shop", "datasets/stage/shop"):
                shop.put(name, GOOD if name != "day.zip" else EMPTY_ZIP, area=area)

    @pytest.mark.parametrize("words", ["stage", "stage --domains shop --tables rows", "load"])
    def test_they_are_named(self, shop, strangers, command, words):
        code, said = command(*words.split())
        assert code == 0
        assert r"client.csv (nearest: the pattern clients.*\.csv of the table clients)" in said
        assert r"ROWS-1.csv (only its case differs from the pattern rows-\d+\.csv of the table rows)" in said
        assert "match no table of the domain shop" in said
        assert "day.zip" in said
        assert "zebra.txt" in said
        assert "hidden" not in said
        if words != "load":
            assert "they stay there" in said
            assert "rows-9.ok" not in said

    @pytest.mark.parametrize("strategy", ["imported", "pending"])
    @pytest.mark.parametrize("tables", ["", "--tables rows"])
    def test_they_do_not_count_and_are_named(self, shop, strangers, command, strategy, tables):
        sentinel = shop.root / "not.ready"
        asked = ["preload", "--domain", "shop", "--strategy", strategy, *tables.split()]
        code, said = command(*asked, "--notReadySentinel", str(sentinel))
        assert code == 0
        assert sentinel.exists()
        assert "client.csv (nearest" in said
        assert "rows-9.ok" not in said

    def test_what_came_of_stage_says_which(self, shop, strangers):
        assert shop.engine.stage().unmatched == ("ROWS-1.csv", "client.csv", "day.zip", "zebra.txt")

    def test_many_are_counted(self, shop, command):
        shop.table("rows", ID)
        for number in range(300):
            shop.put(f"x{number:03}.txt", "", area="incoming/shop")
        _, said = command("stage")
        assert "300 files in" in said
        assert "and 280 more" in said

    def test_files_of_tables_that_are_not_asked_about_are_no_strangers(self, shop, command):
        shop.table("rows", ID)
        shop.table("more", ID)
        shop.put("more1.csv", GOOD, area="incoming/shop")
        shop.put("more1.csv", GOOD)
        for words in ("stage --domains shop --tables rows", "load --domains shop --tables rows"):
            assert "match" not in command(*words.split())[1]
        for strategy in ("imported", "pending"):
            asked = ("preload", "--domain", "shop", "--tables", "rows", "--strategy", strategy)
            code, said = command(*asked)
            assert code == 1
            assert "match" not in said

    def test_a_mistake_in_another_table_does_not_stand_in_the_way(self, shop):
        shop.table("rows", ID)
        (shop.root / "metadata/load/shop/broken.sl.yml").write_text("table: [")
        for name in ("rows1.csv", "strange.csv"):
            shop.put(name, GOOD, area="incoming/shop")
        assert [move.name for move in shop.engine.stage(["shop"], ["rows"]).moves] == ["rows1.csv"]


EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def test_an_archive_that_holds_nothing_for_the_domain_is_no_mistake(shop):
    shop.table("rows", ID)
    shop.put("day.zip", EMPTY_ZIP, area="incoming/shop")
    assert not shop.engine.preload("shop", strategy="imported").ready
    assert shop.engine.stage().unmatched == ("day.zip",)


def test_all_that_goes_wrong_is_said_at_once(shop):
    shop.table("rows", ID)
    for name in ("a.zip", "b.zip"):
        shop.put(name, "no archive", area="incoming/shop")
    with pytest.raises(StarlakeError, match=r"2 problems while staging(.|\n)*a\.zip(.|\n)*b\.zip"):
        shop.engine.stage()
