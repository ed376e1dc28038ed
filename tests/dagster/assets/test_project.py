"""A project is read when it is used, once for each content, and goes to other processes."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import StarlakeProject, build_starlake_asset_specs
from tests.dagster.assets.conftest import Folder


@pytest.fixture
def shop(folder: Folder) -> Folder:
    folder.table("shop", "orders")
    folder.task("kpi", "daily", "SELECT id FROM shop.orders")
    return folder


def written(cache: Path) -> tuple[int, int]:
    """Return the changed files when a project is read, and its items are cached."""
    [file] = cache.glob("*.items.json")
    return file.stat().st_ino, file.stat().st_mtime_ns


def test_making_a_project_reads_nothing(tmp_path: Path) -> None:
    project = StarlakeProject(tmp_path / "nowhere", env="PROD")
    assert project.name == "nowhere"
    with pytest.raises(StarlakeError, match="is not a Starlake project"):
        _ = project.items


@pytest.mark.parametrize("root", [None, 3, b"shop"])
def test_a_folder_that_is_not_a_path_is_refused(root: Any) -> None:
    with pytest.raises(StarlakeError, match=r"the project is .*\nit is neither a path nor an address\n.*SL_ROOT"):
        StarlakeProject(root)


@pytest.mark.parametrize("value", [1, True, None])
def test_a_variable_that_is_not_a_string_is_refused(value: Any) -> None:
    with pytest.raises(StarlakeError, match="the variable year of the project is not a string"):
        StarlakeProject("shop", options={"year": value})


def test_a_project_can_be_pickled_before_and_after_it_is_read(shop: Folder) -> None:
    project = StarlakeProject(shop.root, env="PROD", options={"a": "b"})
    for _ in range(2):
        copy = pickle.loads(pickle.dumps(project))
        assert copy == project
        assert hash(copy) == hash(project)
        assert (copy.env, dict(copy.options)) == ("PROD", {"a": "b"})
        assert copy.items == project.items
    assert project != StarlakeProject(shop.root)


def test_the_same_content_is_read_once(shop: Folder, cache: Path) -> None:
    first = build_starlake_asset_specs(shop.project)
    before = written(cache)
    assert build_starlake_asset_specs(shop.project) == first
    assert written(cache) == before


def test_other_content_is_read_again(shop: Folder) -> None:
    assert len(shop.project.items) == 2
    shop.task("kpi", "weekly", "SELECT id FROM kpi.daily")
    assert len(shop.project.items) == 3
    (shop.root / "metadata/transform/kpi/weekly.sql").unlink()
    assert len(shop.project.items) == 2


def test_a_variable_that_the_project_names_is_part_of_the_content(
    shop: Folder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.task("kpi", "daily", "SELECT id FROM {{ SOURCE_OF_ORDERS }}.orders")
    shop.table("web", "orders")
    for domain in ("shop", "web"):
        monkeypatch.setenv("SOURCE_OF_ORDERS", domain)
        [daily] = [item for item in shop.project.items if item.name == "daily"]
        assert daily.upstream == ((domain, "orders"),)
    before = written(cache)
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    assert len(shop.project.items) == 3
    assert written(cache) == before


def test_the_profile_and_the_options_are_part_of_the_content(shop: Folder) -> None:
    shop.write("env.sl.yml", "version: 1\nenv:\n  source: shop\n")
    shop.write("env.PROD.sl.yml", "version: 1\nenv:\n  source: web\n")
    shop.table("web", "orders")
    shop.task("kpi", "daily", "SELECT id FROM {{ source }}.orders")

    def source(project: StarlakeProject) -> str:
        return next(item for item in project.items if item.name == "daily").upstream[0][0]

    assert source(StarlakeProject(shop.root)) == "shop"
    assert source(StarlakeProject(shop.root, env="PROD")) == "web"
    assert source(StarlakeProject(shop.root, env="PROD", options={"source": "shop"})) == "shop"
    assert source(StarlakeProject(shop.root)) == "shop"


def test_a_damaged_cache_is_read_over(shop: Folder, cache: Path) -> None:
    items = shop.project.items
    [file] = cache.glob("*.items.json")
    whole = file.read_bytes()
    for damage in (b"", b"{", whole[:-9], whole.replace(b"daily", b"DAILY")):
        file.write_bytes(damage)
        assert shop.project.items == items
        assert file.read_bytes() == whole


def test_the_cache_is_not_in_the_project_and_holds_no_secret(shop: Folder, cache: Path) -> None:
    shop.write(
        "application.sl.yml",
        """
        version: 1
        application:
          connectionRef: pg
          connections:
            pg: {type: jdbc, options: {url: "jdbc:postgresql://host/db", password: topsecret}}
        """,
    )
    shop.table("shop", "orders", more="metadata:\n  sink: {options: {token: topsecret}}\n  options: {key: topsecret}\n")
    before = sorted(shop.root.rglob("*"))
    assert shop.project.items
    assert sorted(shop.root.rglob("*")) == before
    files = list(cache.iterdir())
    assert len(files) == 2
    assert not any(b"topsecret" in file.read_bytes() for file in files)
    assert not any(file.stat().st_mode & 0o077 for file in files)


def test_a_cache_that_cannot_be_written_costs_time_only(
    shop: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("SL_DAGSTER_CACHE", str(blocked / "cache"))
    assert len(shop.project.items) == 2


def test_sql_that_is_as_it_was_is_not_parsed_again(shop: Folder, cache: Path) -> None:
    """Another file's current content does not change the results: proven by a result that its SQL does not have."""
    assert len(shop.project.items) == 2
    [file] = cache.glob("*.sql.json")
    label, _, body = file.read_bytes().partition(b"\n")
    answers = json.loads(body)
    [columns] = answers["columns"].values()
    columns[0]["name"] = "from_the_cache"
    changed = json.dumps(answers).encode()
    file.write_bytes(label.split()[0] + b" " + hashlib.sha256(changed).hexdigest().encode() + b"\n" + changed)
    shop.table("web", "visits")
    assert shop.types("kpi/daily") == {"from_the_cache": "BIGINT"}
    shop.table("shop", "orders", "id: string")
    assert shop.types("kpi/daily") == {"id": "VARCHAR"}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import ai.starlake.dagster", ("dagster", "ai.starlake.project")),
        ("import ai.starlake.dagster.shell", ("ai.starlake.dagster.assets", "ai.starlake.project", "sqlglot")),
        (
            "from ai.starlake.dagster import StarlakeProject; StarlakeProject('x')",
            ("sqlglot", "ai.starlake.project.models"),
        ),
        ("import ai.starlake.dagster.assets.asset_specs", ("sqlglot", "duckdb")),
    ],
)
def test_imports_bring_only_what_is_used(statement: str, absent: tuple[str, ...]) -> None:
    code = f"import sys; {statement}; print([name for name in {absent!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == "[]"
