from __future__ import annotations

import fsspec
import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor import CommandFailedError, Execution, RecoveryError, ShellExecutor, stranded_files
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
    assert names(datasets / "ingesting/sales") == ["orders-1.csv", "orders-2.csv"]
    put(datasets / "stage/sales", "orders-3.csv")

    result = executor.run(LOAD, Execution("run-1", "step-1", report, **again))

    assert result.counts.accepted == 3
    assert names(datasets / "archive/sales") == ["orders-1.csv", "orders-2.csv", "orders-3.csv"]
    assert names(datasets / "stage/sales") == ["customers-1.csv"]
    (warning,) = report.warnings
    assert "orders-1.csv, orders-2.csv" in warning


def test_files_of_other_tables_stay_where_they_are(executor, report, datasets):
    put(datasets / "ingesting/sales", "customers-1.csv", "orders-1.csv", "orders-1.csv.bak")
    executor.run(LOAD, Execution("run-1", "step-1", report, attempt=1))
    assert names(datasets / "ingesting/sales") == ["customers-1.csv", "orders-1.csv.bak"]


def test_a_first_attempt_brings_nothing_back(executor, execution, report, datasets):
    put(datasets / "ingesting/sales", "orders-1.csv")
    assert executor.run(LOAD, execution).counts.accepted == 0
    assert names(datasets / "ingesting/sales") == ["orders-1.csv"]
    assert report.warnings == []


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
