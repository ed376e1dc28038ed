"""Errors that no retry can mend are marked, so that orchestrators do not retry; all others may pass."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ai.starlake.common.errors import may_retry
from ai.starlake.embedded.cli.bootstrap import bootstrap
from ai.starlake.embedded.cli.main import run
from ai.starlake.embedded.cli.session import Session
from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.executor import CommandFailedError, Execution, ShellExecutor
from ai.starlake.job import StarlakeCommand
from ai.starlake.project.findings import ProjectError
from ai.starlake.project.project import Project
from tests.executor.conftest import Recorder
from tests.stored_rows import rows_in

LOAD = ("load", "--domains", "rental", "--tables", "bikes")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    bootstrap(tmp_path / "project")
    return tmp_path / "project"


def failure(root: Path, verb: str, *arguments: str) -> CommandFailedError:
    command = StarlakeCommand(verb, arguments, environment={"SL_ROOT": str(root)})
    with pytest.raises(CommandFailedError) as failed:
        EmbeddedExecutor().run(command, Execution("run", "step", Recorder()))
    return failed.value


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        file = root / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return act


def add(name: str, text: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    return act


def waiting_file(root: Path, name: str = "bikes-1.csv", content: str | bytes = "") -> Path:
    file = root / "datasets/stage/rental" / name
    file.parent.mkdir(parents=True)
    text = content or "bike_id,model,electric,bought_on\n1,City,true,2026-01-05\n"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


BIKES, RENTAL = "metadata/load/rental/bikes.sl.yml", "metadata/load/rental/_config.sl.yml"
STRATEGY = "type: UPSERT_BY_KEY"
MISTAKES = {
    "a table whose YAML is not valid": (LOAD, edit(BIKES, "table:", "table: [")),
    "a table with a setting that does not exist": (LOAD, edit(BIKES, "table:", "tabel:")),
    "a type that does not exist": (LOAD, edit(BIKES, "type: ", "type: not_")),
    "a table that does not exist": (("load", "--domains", "rental", "--tables", "cars"), None),
    "a domain that does not exist": (("load", "--domains", "cars"), None),
    "a task that does not exist": (("transform", "--name", "usage.cars"), None),
    "a task without a name": (("transform",), None),
    "an option that does not exist": ((*LOAD, "--not-there"), None),
    "a command that does not exist": (("not-there",), None),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_project_or_the_command_is_permanent(root: Path, mistake: str) -> None:
    arguments, act = MISTAKES[mistake]
    if act:
        act(root)
    error = failure(root, *arguments)
    assert not may_retry(error)


def setting(text: str, *, before: str = "    writeStrategy:") -> Callable[[Path], None]:
    """Add a line to the metadata of the table."""
    return edit(BIKES, f"{before}\n", f"    {text}\n{before}\n")


SETTINGS = {
    "an unknown encoding": (BIKES, "encoding: klingon", setting("encoding: klingon")),
    "an unknown encoding of the domain": (
        RENTAL,
        "encoding: klingon",
        edit(RENTAL, "    format:", "    encoding: klingon\n    format:"),
    ),
    "an unknown encoding as an option": (BIKES, "charset", setting("options: {charset: klingon}")),
    "an option that changes the rows": (BIKES, "FAILFAST", setting("options: {mode: FAILFAST}")),
    "a number that is none": (BIKES, "skipRows", setting("options: {skipRows: two}")),
    "an empty separator": (BIKES, "separator", setting("separator: ''")),
    "a separator with a line break": (BIKES, "separator", setting('separator: "\\n"')),
    "a quote that is the separator": (RENTAL, "separator", setting('quote: ","')),
    "a format that the engine cannot read": (BIKES, "KAFKA", setting("format: KAFKA")),
    "an option of JSON": (BIKES, "allowComments", setting("format: JSON\n    options: {allowComments: 'true'}")),
    "an option of XML": (BIKES, "charge", setting("format: XML\n    options: {rowTag: bike, charge: '1'}")),
    "XML without a tag": (BIKES, "metadata:", setting("format: XML")),
    "a field of DSV with fields": (
        BIKES,
        "- name: model",
        edit(BIKES, "      type: string\n", "      type: struct\n      attributes: [{name: a}]\n"),
    ),
    "an unknown privacy": (
        BIKES,
        "ROT13",
        edit(BIKES, "      type: string\n", "      type: string\n      privacy: ROT13\n"),
    ),
    "a write strategy of another database": (
        BIKES,
        "type: MINE",
        lambda root: (
            edit(BIKES, STRATEGY, "type: MINE")(root),
            add("metadata/write-strategies/bigquery/mine.j2", "SELECT 1")(root),
        ),
    ),
    "an adaptive strategy with SCD2": (BIKES, "SCD2", edit(BIKES, STRATEGY, "types: {SCD2: 'true'}")),
}


@pytest.mark.parametrize("mistake", SETTINGS)
def test_a_wrong_setting_is_told_with_its_line_before_a_file_is_moved(root: Path, mistake: str) -> None:
    name, culprit, act = SETTINGS[mistake]
    act(root)
    waiting = waiting_file(root)
    line = next(number for number, text in enumerate((root / name).read_text().splitlines(), 1) if culprit in text)
    error = failure(root, *LOAD)
    assert not may_retry(error)
    place = f"{root / name}:{line}: "
    assert place in str(error)
    findings = Session({"SL_ROOT": str(root)}, print).findings({})
    assert any(str(each).startswith(place) for each in findings if each.is_error)
    assert waiting.is_file()
    audit = root / "datasets/duckdb.db"
    found = rows_in(audit, "SELECT PATHS FROM audit.audit WHERE NOT SUCCESS") if audit.exists() else []
    assert all(path.endswith(str(waiting)) for (path,) in found)


TASK = "metadata/transform/usage/bike_usage"
LATE = {
    "a boolean type without a pattern for false": (
        LOAD,
        lambda root: (
            add("metadata/types/own.sl.yml", "types:\n- {name: flag, pattern: 'yes', primitiveType: boolean}\n")(root),
            edit(BIKES, "type: boolean", "type: flag")(root),
        ),
    ),
    "a date pattern with unknown letters": (
        LOAD,
        lambda root: (
            add("metadata/types/own.sl.yml", "types:\n- {name: day, pattern: 'qq-yy', primitiveType: date}\n")(root),
            edit(BIKES, "type: date", "type: day")(root),
        ),
    ),
    "a script that calls a refused function": (
        LOAD,
        edit(BIKES, "      type: date\n", "      type: date\n    - {name: code, script: 'sha2(model, 224)'}\n"),
    ),
    "a script that is not SQL": (
        LOAD,
        edit(BIKES, "      type: date\n", "      type: date\n    - {name: code, script: 'model model model'}\n"),
    ),
    "an expectation that no macro defines": (
        LOAD,
        edit(BIKES, "uniqueness.unique('bike_id')", "uniqueness.other('bike_id')"),
    ),
    "a condition that cannot be read": (LOAD, edit(BIKES, STRATEGY, "types: {APPEND: 'today()'}")),
    "a condition with an unknown name": (LOAD, edit(BIKES, STRATEGY, "types: {APPEND: 'fileSzie > 1'}")),
    "a pattern that is not one": (LOAD, edit(BIKES, "'bikes-.*", "'bikes-(.*")),
    "a task that is not SQL": (("transform", "--name", "usage.bike_usage"), add(f"{TASK}.sql", "SELEC 1")),
    "a task of two statements": (("transform", "--name", "usage.bike_usage"), add(f"{TASK}.sql", "SELECT 1; SELECT 2")),
    "a Python task without a function": (
        ("transform", "--name", "usage.bike_usage"),
        lambda root: ((root / f"{TASK}.sql").unlink(), add(f"{TASK}.py", "a = 1")(root)),
    ),
    "a Python task that is not Python": (
        ("transform", "--name", "usage.bike_usage"),
        lambda root: ((root / f"{TASK}.sql").unlink(), add(f"{TASK}.py", "def task(:")(root)),
    ),
    "an unknown setting of the database": (
        LOAD,
        edit("metadata/application.sl.yml", "options:\n", "options:\n        threds: '2'\n"),
    ),
    "a pre-load strategy that does not exist": (("preload", "--domain", "rental", "--strategy", "sometimes"), None),
}


@pytest.mark.parametrize("mistake", LATE)
def test_a_mistake_that_only_a_load_or_a_task_finds_is_permanent(root: Path, mistake: str) -> None:
    arguments, act = LATE[mistake]
    if act:
        act(root)
    waiting = waiting_file(root)
    assert not may_retry(failure(root, *arguments))
    assert waiting.is_file()


def test_a_load_is_retried_if_one_of_its_failures_may_pass(root: Path) -> None:
    setting("encoding: klingon")(root)
    waiting_file(root).with_name("rides-1.csv").write_text("not,the,header\n1,2,3\n")
    assert may_retry(failure(root, "load", "--domains", "rental"))
    (root / "datasets/stage/rental/rides-1.csv").unlink()
    assert not may_retry(failure(root, "load", "--domains", "rental"))


@pytest.mark.parametrize(
    ("sql", "retried"),
    [
        ("SELECT {{ not_there }} AS a", False),
        ("SELECT {{ 1 + ", False),
        ("SELECT * FROM nowhere.at_all", True),  # a load may make the table meanwhile
        ("SELECT error('lost the connection')", True),
    ],
)
def test_the_templates_of_a_task_are_permanently_wrong_but_not_what_its_query_finds(
    root: Path, sql: str, *, retried: bool
) -> None:
    (root / "metadata/transform/usage/bike_usage.sql").write_text(sql)
    assert may_retry(failure(root, "transform", "--name", "usage.bike_usage")) is retried


def test_a_file_that_cannot_be_loaded_may_be_replaced(root: Path) -> None:
    waiting_file(root, content="not,the,header\n1,2,3\n")
    assert may_retry(failure(root, *LOAD))


def test_a_file_that_names_an_unknown_encoding_may_be_replaced(root: Path) -> None:
    edit(BIKES, "csv", "xml")(root)
    setting("format: XML\n    options: {rowTag: bike}")(root)
    waiting_file(root, "bikes-1.xml", "<?xml version='1.0' encoding='klingon'?><bikes/>")
    error = failure(root, *LOAD)
    assert "'klingon' is unknown" in str(error)
    assert may_retry(error)


def test_a_database_that_cannot_be_attached_may_come_back(root: Path) -> None:
    attach = f"preActions: \"ATTACH '{root}/not_there.db' AS other (READ_ONLY)\""
    edit("metadata/application.sl.yml", "options:\n", f"options:\n        {attach}\n")(root)
    waiting_file(root)
    error = failure(root, *LOAD)
    assert "preActions" in str(error)
    assert may_retry(error)


@pytest.mark.parametrize(("mistake", "retried"), [(setting("encoding: klingon"), False), (None, True)])
def test_a_process_tells_it_by_its_exit_code(
    root: Path, mistake: Callable[[Path], None] | None, *, retried: bool
) -> None:
    if mistake is not None:
        mistake(root)
    waiting_file(root, content="not,the,header\n1,2,3\n")
    command = StarlakeCommand(LOAD[0], LOAD[1:], environment={"SL_ROOT": str(root)})
    executor = ShellExecutor([sys.executable, "-m", "ai.starlake.embedded"])
    with pytest.raises(CommandFailedError) as failed:
        executor.run(command, Execution("run", "step", Recorder()))
    assert may_retry(failed.value) is retried
    assert failed.value.exit_code == (1 if retried else 78)


@pytest.mark.parametrize("asked", ["78", "1", "200", "seventy", None])
@pytest.mark.parametrize("arguments", [["load", "--domains", "cars"], ["load", "--not-there"], ["not-there"]])
def test_the_exit_code_is_1_unless_another_is_asked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], asked: str | None
) -> None:
    monkeypatch.setenv("SL_ROOT", str(root))
    if asked is not None:
        monkeypatch.setenv("SL_PERMANENT_EXIT_CODE", asked)
    assert run(arguments) == (78 if asked == "78" else 1)


def test_a_disk_that_cannot_be_read_may_come_back(root: Path) -> None:
    file = root / BIKES
    file.unlink()
    file.mkdir()
    with pytest.raises(ProjectError) as failed:
        Project.read(root).table("rental", "bikes")
    assert may_retry(failed.value)
