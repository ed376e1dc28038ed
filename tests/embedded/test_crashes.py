"""A load that is killed at any point loses no file and no row, and repeats none."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from ai.starlake.embedded import Engine
from tests.embedded.properties.killing import KILLED, Kill, Watch

OLD, NEW = [(1, "old"), (2, "old")], [(2, "new"), (3, "new"), (4, "new")]


def csv(rows):
    return "id,label\n" + "".join(f"{key},{label}\n" for key, label in rows)


def prepare(shop):
    """Make a table with rows, and let a second file of it and a file of another table wait."""
    keyed = {"writeStrategy": {"type": "UPSERT_BY_KEY", "key": ["id"]}}
    shop.table("rows", {"id": "int", "label": "string"}, metadata=keyed)
    shop.table("added", {"id": "int", "label": "string"})
    shop.put("rows1.csv", csv(OLD))
    assert not shop.engine.load().failures
    shop.put("rows2.csv", csv(NEW))
    shop.put("added1.csv", csv(NEW))


def load_until(root: Path, environment: dict[str, str], deadly: int) -> bool:
    """Load in a process that is killed before its n-th change; tell whether it was."""
    return run_until(root, environment, deadly, lambda engine: engine.load())


def run_until(root: Path, environment: dict[str, str], deadly: int, action: Callable[[Engine], object]) -> bool:
    """Run something in a process that is killed before its n-th change of data or files; tell whether it was."""
    child = os.fork()
    if child == 0:
        try:
            Watch(Kill(deadly), root).begin()
            action(Engine.open(root, environment=environment))
        except BaseException:  # noqa: BLE001  nothing may return to the tests of the process that forked
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (KILLED, 0), "the process failed before it was killed"
    return code == KILLED


def assert_loaded_once(shop):
    assert shop.rows() == [(1, "old"), *NEW]
    assert shop.rows("shop.added") == NEW
    assert shop.files() == ["archive/shop/added1.csv", "archive/shop/rows1.csv", "archive/shop/rows2.csv"]
    counted = shop.query("SELECT paths, countaccepted FROM audit.audit WHERE success")
    assert sorted((path.rpartition("/")[2], count) for path, count in counted) == [
        ("added1.csv", 3),
        ("rows1.csv", 2),
        ("rows2.csv", 3),
    ]
    assert shop.query("SELECT count(*) FROM information_schema.tables WHERE table_name LIKE 'zztmp%'") == [(0,)]


def die_and_recover(shop, template: Path, deadly: int) -> bool:
    """Kill a load at its n-th step, load again and check everything; return True if there was such a step."""
    subprocess.run(["cp", "-a", template, shop.root], check=True)
    died = load_until(shop.root, shop.environment, deadly)
    assert not shop.engine.load().failures, f"after dying at step {deadly}"
    assert_loaded_once(shop)
    subprocess.run(["rm", "-rf", shop.root], check=True)
    return died


@pytest.fixture
def template(shop, tmp_path):
    prepare(shop)
    return shop.root.rename(tmp_path / "template")


@pytest.mark.parametrize("deadly", [2, 4, 9, 16, 25, 31, 35, 37])
def test_killed_at_some_steps(shop, template, deadly):
    """`tests/embedded/properties/test_kills.py` has all of them."""
    assert die_and_recover(shop, template, deadly)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_killed_at_a_random_moment(shop, seed):
    """The real process, the real signal, a file that takes a while."""
    shop.table("rows", {"id": "int", "label": "string"}, metadata={"writeStrategy": {"type": "OVERWRITE"}})
    shop.put("rows1.csv", csv(OLD))
    shop.engine.load()
    many = [(key, f"label {key}") for key in range(200_000)]
    shop.put("rows2.csv", csv(many))
    environment = {**os.environ, **shop.environment}
    command = [sys.executable, "-m", "ai.starlake.embedded", "load"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.Random(seed).uniform(0.05, 1.2))
    process.kill()
    process.wait()
    after_kill = shop.query("SELECT count(*), count(*) FILTER (label = 'old') FROM shop.rows")
    assert after_kill in ([(2, 2)], [(200_000, 0)]), "half a file is visible"
    assert not shop.engine.load().failures
    assert shop.query("SELECT count(*), sum(id) FROM shop.rows") == [(200_000, sum(range(200_000)))]
    assert shop.files() == ["archive/shop/rows1.csv", "archive/shop/rows2.csv"]
    assert shop.query("SELECT count(*) FROM audit.audit WHERE success") == [(2,)]


def test_a_newer_file_of_the_same_name_is_kept(shop):
    """The file of a killed load goes back beside the one that came meanwhile, and before it."""
    shop.table("rows", {"id": "int", "label": "string"}, pattern=r"rows.*\.csv")
    old = shop.put("rows1.csv", csv(OLD))
    os.utime(old, (1_000_000_000, 1_000_000_000))
    assert load_until(shop.root, shop.environment, 12)
    assert not any("stage/" in name for name in shop.files())
    shop.put("rows1.csv", csv(NEW))
    result = shop.engine.load()
    assert [job.files for job in result.jobs] == [("rows1-2.csv",), ("rows1.csv",)]
    assert shop.rows() == sorted(OLD + NEW)


def test_files_that_another_engine_left_are_not_touched(shop):
    shop.table("rows", {"id": "int", "label": "string"})
    shop.put("rows1.csv", csv(OLD), area="datasets/ingesting/shop")
    assert shop.engine.load().jobs == ()
    assert shop.files() == ["ingesting/shop/rows1.csv"]


def test_what_fails_after_the_commit_repeats_nothing(shop):
    """The replay area cannot be written: that is reported, and the rows stay loaded once."""
    shop.application(sinkReplayToFile=True)
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\nx\n")
    shop.put("replay", "a file where a folder should be", area="datasets")
    (job,) = shop.engine.load().jobs
    assert "the rows are loaded, but" in job.error
    assert shop.rows() == [(1,)]
    assert shop.files() == ["archive/shop/rows1.csv", "replay"]
    assert shop.engine.load().jobs == ()
