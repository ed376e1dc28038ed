from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from tests.fakes.fake_cli import FakeStarlake
from tests.waiting import PATIENCE, wait_for


@pytest.fixture
def fake(tmp_path: Path) -> FakeStarlake:
    return FakeStarlake(tmp_path / "a folder", record=["SL_*", "CHOSEN"])


@pytest.fixture
def call(fake: FakeStarlake, tmp_path: Path):
    def run(*argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"SL_ROOT": str(tmp_path), "PATH": os.environ["PATH"], **variables}
        return subprocess.run(
            [fake.path, *argv], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
        )

    return run


def put(folder: Path, name: str, content: str = "id\n1\n2\n") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_calls_are_recorded(fake, call, tmp_path):
    call("load", "--domains", "a", "--options", "x=1,y=b=c", CHOSEN="yes", OTHER="no")
    call("transform", "--name", "a b 'c'")
    first, second = fake.calls()
    assert first.argv == ("load", "--domains", "a", "--options", "x=1,y=b=c")
    assert (first.verb, first.value_of("--domains"), first.value_of("--name")) == ("load", "a", None)
    assert first.options == {"x": "1", "y": "b=c"}
    assert first.environment == {"SL_ROOT": str(tmp_path), "CHOSEN": "yes"}
    assert first.cwd == str(tmp_path)
    assert first.started <= second.started <= time.time()
    assert fake.calls("transform") == [second]
    assert second.value_of("--name") == "a b 'c'"


def test_exit_codes_come_in_turn_for_each_verb(fake, call):
    call("load")
    fake.behave("load", exit_codes=[3, 0, 5])
    codes = [call("load").returncode for _ in range(4)]
    assert codes == [3, 0, 5, 5]
    assert call("transform").returncode == 0


def test_calls_without_an_exit_code_are_refused(fake):
    with pytest.raises(StarlakeError, match="no exit code"):
        fake.behave("load", exit_codes=[])


def test_lines_and_the_environment_are_printed(fake, call):
    fake.behave("load", stdout=["one"], stderr=["two"], print_environment=True)
    done = call("load", CHOSEN="yes")
    assert done.stdout.startswith("one\n")
    assert "CHOSEN=yes\n" in done.stdout
    assert done.stderr == "two\n"


def test_a_load_moves_its_files_and_counts_their_rows(fake, call, tmp_path):
    datasets = tmp_path / "datasets"
    (tmp_path / "metadata/load/d").mkdir(parents=True)
    (tmp_path / "metadata/load/d/t.sl.yml").write_text('table:\n  name: t\n  pattern: "t_\\\\d+.csv"\n')
    put(datasets / "stage/d", "t_1.csv")
    put(datasets / "stage/d", "t_x.csv")
    done = call("load", "--domains", "d", "--tables", "t", SL_API="true")
    assert done.stdout == 'IngestionCounters:{"inputCount": 2, "acceptedCount": 2, "rejectedCount": 0}\n'
    assert names_in(datasets / "archive/d") == ["t_1.csv"]
    assert names_in(datasets / "stage/d") == ["t_x.csv"]
    assert call("load", "--domains", "d", "--tables", "t").stdout == ""


def test_a_failed_load_leaves_its_files_in_the_ingesting_area(fake, call, tmp_path):
    put(tmp_path / "datasets/stage/d", "t.csv")
    fake.behave("load", exit_codes=[1, 0])
    assert call("load", "--domains", "d", "--tables", "t", SL_API="true").stdout == ""
    assert names_in(tmp_path / "datasets/ingesting/d") == ["t.csv"]
    retried = call("load", "--domains", "d", "--tables", "t", SL_API="true")
    assert '"inputCount": 0' in retried.stdout
    assert names_in(tmp_path / "datasets/ingesting/d") == ["t.csv"]


@pytest.mark.parametrize("verb", [("stage", "--domains"), ("import", "--include")])
def test_staging_moves_delivered_files(call, tmp_path, verb):
    put(tmp_path / "incoming/d", "t.csv")
    assert call(*verb, "d").returncode == 0
    assert names_in(tmp_path / "datasets/stage/d") == ["t.csv"]


@pytest.mark.parametrize(
    ("strategy", "area"), [("imported", "incoming/d"), ("pending", "datasets/stage/d"), ("ack", "acks")]
)
def test_preload_answers_by_its_exit_code_or_by_a_sentinel(call, tmp_path, strategy, area):
    sentinel = tmp_path / "not ready"
    argv = ("preload", "--domain", "d", "--tables", "t", "--strategy", strategy)
    argv += ("--globalAckFilePath", str(tmp_path / "acks" / "t.csv"))
    assert call(*argv).returncode == 1
    assert call(*argv, "--notReadySentinel", str(sentinel)).returncode == 0
    assert sentinel.exists()
    sentinel.unlink()
    put(tmp_path / area, "t.csv")
    assert call(*argv, "--notReadySentinel", str(sentinel)).returncode == 0
    assert not sentinel.exists()
    assert call(*argv).returncode == (1 if strategy == "ack" else 0)


def test_preload_answers_as_it_is_told(fake, call, tmp_path):
    fake.behave("preload", ready=[False, True])
    assert [call("preload", "--domain", "d").returncode for _ in range(3)] == [1, 0, 0]


def test_calls_at_once_are_all_recorded(fake, call):
    fake.behave("load", exit_codes=[1] * 4 + [0])
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: call("load"), range(8)))
    assert len(fake.calls()) == 8
    assert sorted(each.returncode for each in done) == [0] * 4 + [1] * 4


def test_a_call_that_is_killed_is_recorded(fake, tmp_path):
    fake.behave("load", sleep=60)
    process = subprocess.Popen([fake.path, "load"], env={"SL_ROOT": str(tmp_path), "PATH": os.environ["PATH"]})
    wait_for("the call", fake.calls)
    os.kill(fake.calls()[0].pid, signal.SIGKILL)
    assert process.wait(PATIENCE) != 0
    assert len(fake.calls()) == 1


def test_everything_can_be_forgotten(fake, call):
    fake.behave("load", exit_codes=[1])
    call("load")
    fake.forget()
    assert fake.calls() == []
    assert call("load").returncode == 0
