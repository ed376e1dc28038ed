from __future__ import annotations

import json
import subprocess
import sys

import fsspec
import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor import (
    CommandFailedError,
    Execution,
    FilesLeftError,
    RecoveryError,
    ShellExecutor,
    stranded_files,
)
from ai.starlake.job import StarlakeCommand

LOAD = StarlakeCommand("load", ("--domains", "sales", "--tables", "orders"))

REAL = """
# behaves like `starlake load` 1.5.16: moves the files to ingesting, and leaves them there when it fails
from pathlib import Path
base = Path(os.environ["SL_ROOT"]) / "datasets"
stage, ingesting, archive = (base / area / "sales" for area in ("stage", "ingesting", "archive"))
ingesting.mkdir(parents=True, exist_ok=True)
archive.mkdir(parents=True, exist_ok=True)
table = sys.argv[sys.argv.index("--tables") + 1]
files = sorted(stage.glob(f"{table}-*.csv")) if stage.exists() else []
for file in files:
    file.rename(ingesting / file.name)
if (base / "broken").exists():
    print("Starlake failed to execute command with args", *sys.argv[1:], file=sys.stderr)
    sys.exit(1)
for file in files:
    (ingesting / file.name).rename(archive / file.name)
rows = len(files)
print("IngestionCounters:" + json.dumps({"inputCount": rows, "acceptedCount": rows, "rejectedCount": 0}))
"""


@pytest.fixture
def datasets(project):
    folder = project / "datasets"
    folder.mkdir()
    return folder


@pytest.fixture
def executor(cli, facts):
    return ShellExecutor(cli(REAL), facts=facts)


def put(folder, *names, text="row\n"):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def fail(executor, execution, datasets):
    (datasets / "broken").touch()
    with pytest.raises(CommandFailedError):
        executor.run(LOAD, execution)
    (datasets / "broken").unlink()


@pytest.mark.parametrize("again", [{"attempt": 1}, {"resumed": True}])
def test_the_repeated_load_loads_what_the_failed_one_left(executor, execution, report, datasets, again):
    put(datasets / "stage/sales", "orders-1.csv", "orders-2.csv", "customers-1.csv")
    fail(executor, execution, datasets)
    (warning,) = report.warnings
    assert "orders-1.csv, orders-2.csv" in warning
    assert names(datasets / "ingesting/sales") == []
    put(datasets / "stage/sales", "orders-3.csv")

    result = executor.run(LOAD, Execution("run-1", "step-1", report, **again))

    assert result.counts.accepted == 3
    assert names(datasets / "archive/sales") == ["orders-1.csv", "orders-2.csv", "orders-3.csv"]
    assert names(datasets / "stage/sales") == ["customers-1.csv"]
    assert len(report.warnings) == 1
    assert list((datasets / "ingesting").rglob("*.json")) == []


def test_files_of_other_tables_stay_where_they_are(executor, report, datasets):
    put(datasets / "ingesting/sales", "customers-1.csv", "orders-1.csv", "orders-1.csv.bak")
    executor.run(LOAD, Execution("run-1", "step-1", report, attempt=1))
    assert names(datasets / "ingesting/sales") == ["customers-1.csv", "orders-1.csv.bak"]


def test_a_first_attempt_refuses_files_of_a_load_that_nobody_noted(executor, execution, datasets):
    put(datasets / "ingesting/sales", "orders-1.csv", "customers-1.csv")
    put(datasets / "stage/sales", "orders-2.csv")
    with pytest.raises(FilesLeftError, match=r"orders-1\.csv") as caught:
        executor.run(LOAD, execution)
    assert "customers-1.csv" not in str(caught.value)
    assert names(datasets / "ingesting/sales") == ["customers-1.csv", "orders-1.csv"]
    assert names(datasets / "stage/sales") == ["orders-2.csv"]


def test_a_new_run_loads_what_the_failed_one_left(executor, execution, report, datasets):
    put(datasets / "stage/sales", "orders-1.csv", "orders-2.csv")
    fail(executor, execution, datasets)
    assert executor.run(LOAD, Execution("run-2", "step-1", report)).counts.accepted == 2


def test_a_failure_takes_only_the_files_of_its_own_load(cli, facts, execution, datasets):
    """Files came in meanwhile for another load; one that waited with them was there before."""
    put(datasets / "stage/sales", "orders-1.csv")
    script = cli(
        REAL.replace("if (base", "[(ingesting / n).write_text('x') for n in LATE]\nif (base").replace(
            "LATE", "['customers-9.csv', 'orders-9.csv']"
        )
    )
    by_hand = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "load"])
    try:
        fail(ShellExecutor(script, facts=facts), execution, datasets)
    finally:
        by_hand.kill()
        by_hand.wait()
    assert names(datasets / "stage/sales") == ["orders-1.csv"]
    assert names(datasets / "ingesting/sales") == ["customers-9.csv", "orders-9.csv"]


def test_a_file_that_arrived_while_the_command_began_goes_back_too(cli, facts, execution, datasets):
    script = cli(REAL.replace("table = ", "stage.mkdir(parents=True); (stage / 'orders-5.csv').touch()\ntable = "))
    fail(ShellExecutor(script, facts=facts), execution, datasets)
    assert names(datasets / "stage/sales") == ["orders-5.csv"]
    assert names(datasets / "ingesting/sales") == []


def test_a_success_that_leaves_its_files_is_none(cli, facts, execution, datasets):
    put(datasets / "stage/sales", "orders-1.csv")
    script = cli(REAL.replace("(ingesting / file.name).rename", "print").replace("print(archive / file.name)", "pass"))
    with pytest.raises(RecoveryError, match=r"left files.*orders-1\.csv"):
        ShellExecutor(script, facts=facts).run(LOAD, execution)
    assert names(datasets / "ingesting/sales") == ["orders-1.csv"]


OTHER_RUN = """
import re, sys
from pathlib import Path
from ai.starlake.common.storage import Files
from ai.starlake.executor import Execution, ShellExecutor
from ai.starlake.job import StarlakeCommand

class Report:
    def output(self, stream, line): print(line, flush=True)
    def info(self, message): print("INFO", message, flush=True)
    def warning(self, message): print("WARNING", message, flush=True)

class Facts:
    files = Files()
    def __init__(self, root, environment): self.datasets = Path(root) / "datasets"
    def duckdb_file(self, domain=None, table=None, *, task=None): return None
    def table_pattern(self, domain, table): return re.compile(rf"{table}-.*\\.csv")
    def area(self, name, domain): return str(self.datasets / name / domain)

command = StarlakeCommand("load", ("--domains", "sales", "--tables", "orders"))
ShellExecutor(sys.argv[1], facts=Facts).run(command, Execution("run-other", "step", Report()))
"""
SLOW = REAL.replace("if (base", "print('taken', flush=True)\ntime.sleep(float(os.environ.get('SLOW', 0)))\nif (base")


@pytest.fixture
def other(driver, cli, datasets):
    """Another run's load of the same table, on a database that has no lock; it has taken its file."""
    put(datasets / "stage/sales", "orders-1.csv")
    process = driver(OTHER_RUN, cli(SLOW, "other"), SLOW="600")
    assert process.stdout.readline() == "taken\n"
    return process


def test_files_of_another_run_s_load_are_left_to_it(other, executor, execution, report, datasets):
    put(datasets / "stage/sales", "orders-2.csv")
    assert executor.run(LOAD, execution).counts.accepted == 1
    put(datasets / "stage/sales", "orders-3.csv")
    fail(executor, Execution("run-2", "step-1", report, attempt=1), datasets)
    assert names(datasets / "ingesting/sales") == ["orders-1.csv"]
    assert names(datasets / "stage/sales") == ["orders-3.csv"]
    assert executor.files_left(LOAD, execution) == [str(datasets / "stage/sales/orders-3.csv")]


def test_the_next_run_loads_what_a_killed_one_left(other, executor, execution, report, datasets):
    other.kill()
    other.wait()
    assert names(datasets / "ingesting/sales") == ["orders-1.csv"]
    assert executor.run(LOAD, execution).counts.accepted == 1
    assert names(datasets / "archive/sales") == ["orders-1.csv"]
    assert "orders-1.csv" in report.warnings[0]
    assert list((datasets / "ingesting").rglob("*.json")) == []


@pytest.mark.parametrize(("over", "loaded"), [(True, 1), (False, 0), (None, 0)])
def test_of_a_load_on_another_machine_dagster_is_asked(other, executor, report, datasets, over, loaded):
    other.kill()
    other.wait()
    (note,) = (datasets / "ingesting").rglob("*.json")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"host": "elsewhere"}))
    asked = []

    def is_run_over(run):
        asked.append(run)
        return over

    result = executor.run(LOAD, Execution("run-2", "step-1", report, is_run_over=is_run_over))
    assert (result.counts.accepted, set(asked)) == (loaded, {"run-other"})


def test_a_retry_on_another_machine_loads_what_the_attempt_before_left(other, executor, report, datasets):
    other.kill()
    other.wait()
    (note,) = (datasets / "ingesting").rglob("*.json")
    found = json.loads(note.read_text())
    note.write_text(json.dumps(found | {"host": "elsewhere"}))
    retry = Execution(found["run"], found["step"], report, attempt=1, is_run_over=lambda run: False)
    assert executor.run(LOAD, retry).counts.accepted == 1
    assert names(datasets / "archive/sales") == ["orders-1.csv"]


def test_nothing_was_left(executor, report, datasets):
    assert executor.run(LOAD, Execution("run-1", "step-1", report, attempt=1)).counts.accepted == 0
    assert report.warnings == []


def test_a_newer_file_of_the_same_name_is_never_replaced(executor, report, datasets):
    put(datasets / "ingesting/sales", "orders-1.csv", text="old")
    put(datasets / "stage/sales", "orders-1.csv", text="new")
    with pytest.raises(RecoveryError) as caught:
        executor.run(LOAD, Execution("run-1", "step-1", report, attempt=1))
    assert str(datasets / "ingesting/sales/orders-1.csv") in str(caught.value)
    assert str(datasets / "stage/sales/orders-1.csv") in str(caught.value)
    assert (datasets / "ingesting/sales/orders-1.csv").read_text() == "old"
    assert (datasets / "stage/sales/orders-1.csv").read_text() == "new"


def test_a_load_that_cannot_be_repeated_safely_fails_and_does_not_run(cli, unreadable_facts, report, datasets, project):
    script = cli("open(os.environ['SL_ROOT'] + '/ran', 'w')")
    again = Execution("run-1", "step-1", report, attempt=1)
    with pytest.raises(RecoveryError, match=r"application\.sl\.yml cannot be read"):
        ShellExecutor(script, facts=unreadable_facts).run(LOAD, again)
    with pytest.raises(RecoveryError, match="the project is not known here"):
        ShellExecutor(script).run(LOAD, again)
    with pytest.raises(RecoveryError, match="names no domain"):
        ShellExecutor(script, facts=unreadable_facts, lock="off").run(StarlakeCommand("load"), again)
    assert not (project / "ran").exists()


def test_an_ingesting_area_that_cannot_be_read_fails(executor, report, datasets):
    (datasets / "ingesting").write_text("no folder")
    with pytest.raises(RecoveryError, match="Not a directory"):
        executor.run(LOAD, Execution("run-1", "step-1", report, attempt=1))


def test_a_storage_without_driver_fails(cli, facts, report, datasets):
    class Remote(facts):
        def area(self, name, domain):
            return f"s3://bucket/{name}/{domain}"

    with pytest.raises(RecoveryError, match="s3fs"):
        ShellExecutor(cli(REAL), facts=Remote).run(LOAD, Execution("run-1", "step-1", report, attempt=1))


def test_files_in_an_object_store_come_back_too(cli, facts, report, datasets):
    class Remote(facts):
        def area(self, name, domain):
            return f"memory://bucket/{name}/{domain}"

    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/ingesting/sales/orders-1.csv", b"row")
    ShellExecutor(cli(REAL), facts=Remote).run(LOAD, Execution("run-1", "step-1", report, attempt=1))
    assert memory.ls("/bucket/stage/sales", detail=False) == ["/bucket/stage/sales/orders-1.csv"]
    memory.store.clear()


def test_transforms_and_loads_in_place_have_nothing_to_bring_back(executor, cli, report, datasets):
    again = Execution("run-1", "step-1", report, attempt=1)
    plain = ShellExecutor(cli("", "other"))
    assert plain.run(StarlakeCommand("transform", ("--name", "kpi.x")), again).exit_code == 0
    assert plain.run(StarlakeCommand("load", ("--files", "x", "--inPlace")), again).exit_code == 0


def test_stranded_files_are_listed_and_what_cannot_be_listed_is_an_error(facts, datasets, project):
    known = facts(str(project), {})
    assert stranded_files(known, "sales") == []
    put(datasets / "ingesting/sales", "b.csv", "a.csv", ".hidden")
    assert stranded_files(known, "sales") == [str(datasets / "ingesting/sales" / name) for name in ("a.csv", "b.csv")]
    (datasets / "ingesting/other").write_text("no folder")
    with pytest.raises(StarlakeError):
        stranded_files(known, "other")
