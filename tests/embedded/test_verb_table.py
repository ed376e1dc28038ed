"""One table of verbs serves the command line and the executor of the engine."""

from __future__ import annotations

import inspect
import json
import os
import uuid
from pathlib import Path

import click
import pytest

from ai.starlake.embedded.cli.main import starlake
from ai.starlake.embedded.cli.verb_table import VERBS
from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.executor import CommandFailedError, Execution
from ai.starlake.job import StarlakeCommand


class Recorder:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.warnings: list[str] = []

    def output(self, stream: str, line: str) -> None:
        self.lines.append((stream, line))

    def info(self, message: str) -> None:
        self.lines.append(("info", message))

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def of(self, stream: str) -> list[str]:
        return [line for from_stream, line in self.lines if from_stream == stream]


@pytest.fixture
def report(monkeypatch) -> Recorder:
    for name in [name for name in os.environ if name.startswith("SL_")]:
        monkeypatch.delenv(name)
    return Recorder()


@pytest.fixture
def execute(shop, report):
    """Run a command by the executor."""

    def run(*argv, **environment):
        command = StarlakeCommand.of(argv).with_environment({**shop.environment, **environment})
        return EmbeddedExecutor().run(command, Execution(str(uuid.uuid4()), "step", report))

    return run


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_consumes_each_parameter_that_it_declares(verb):
    command = VERBS[verb]
    declared = {parameter.name for parameter in command.params if parameter.expose_value}
    taken = list(inspect.signature(inspect.unwrap(command.callback)).parameters.values())
    assert {parameter.name for parameter in taken[1:]} == declared
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in taken[1:])


def test_the_command_line_has_each_verb_and_no_other():
    assert set(starlake.commands) - {"help"} == set(VERBS)
    assert all(starlake.commands[name] is VERBS[name] for name in VERBS)


def test_a_parameter_that_nobody_consumes_is_an_error(monkeypatch, execute):
    monkeypatch.setattr(VERBS["stage"], "params", [*VERBS["stage"].params, click.Option(["--nobody"])])
    with pytest.raises(CommandFailedError, match="nobody"):
        execute("stage", "--nobody", "x")


def test_files_are_loaded_in_place(shop, execute):
    shop.table("rows", {"id": "int"})
    file = shop.put("a.txt", "id\n1\n2\n", area="elsewhere")
    result = execute("load", "--domains", "shop", "--tables", "rows", "--files", "elsewhere/a.txt", "--inPlace")
    assert (result.counts.input, result.counts.accepted, result.counts.rejected) == (2, 2, 0)
    assert file.exists(), "files stay where they are"
    assert shop.files() == []
    assert shop.rows() == [(1,), (2,)]


def test_the_query_of_the_command_line_runs_and_nothing_is_written(shop, execute, report):
    shop.task("mart.t", "SELECT 1 AS n")
    pages = ("--interactive", "csv", "--pageSize", "2", "--pageNumber", "2")
    execute("transform", "--name", "mart.t", "--query", "SELECT * FROM range(5) AS r(n) ORDER BY n", *pages)
    assert report.of("stdout") == ["n", "2", "3"]
    assert not (shop.root / "datasets/duckdb.db").exists() or shop.query("SELECT * FROM duckdb_tables()") == []


def test_the_folder_of_the_sentinel_is_made(shop, execute):
    shop.table("rows", {"id": "int"})
    (shop.root / "datasets/stage/shop").mkdir(parents=True)
    asked = ("preload", "--domain", "shop", "--strategy", "pending")
    execute(*asked, "--notReadySentinel", "no/such/folder/not.ready")
    assert (shop.root / "no/such/folder/not.ready").exists(), "the path is relative to the project"
    with pytest.raises(CommandFailedError, match="nothing to load") as failure:
        execute(*asked)
    assert failure.value.exit_code == 1


def test_findings_and_warnings_are_told_as_on_the_command_line(shop, execute, report):
    file = shop.root / "metadata/load/shop/rows.sl.yml"
    metadata = "metadata: {write: OVERWRITE}\n  attributes: [{name: id, type: int}]"
    file.write_text(f"schema:\n  name: rows\n  pattern: rows.*\n  {metadata}\n")
    shop.task("mart.t", "SELECT 1 AS n", writeStrategy={"type": "UPSERT_BY_KEY"})
    shop.put("rows1.csv", "id\n1\n")
    execute("load", "--domains", "shop", SL_VALIDATE_ON_LOAD="true")
    assert any("UPSERT_BY_KEY needs a key" in line for line in report.of("stdout"))
    assert any(line.startswith(f"WARNING {file}") for line in report.of("stderr"))
    assert shop.rows() == [(1,)]


def test_project_verbs_run_in_process_too(shop, execute, report):
    shop.table("rows", {"id": "int"})
    shop.task("mart.t", "SELECT id FROM shop.rows")
    execute("lineage", "--task", "mart.t", "--json", "--output", "lineage.json", "--print")
    assert "mart.t" in "\n".join(report.of("stdout"))
    assert json.loads((shop.root / "lineage.json").read_text())
    shop.task("mart.broken", "SELECT nosuch FROM shop.rows")
    with pytest.raises(CommandFailedError, match="errors"):
        execute("validate")
    assert any("nosuch" in line for line in report.of("stdout"))


def test_a_missing_project_is_named(execute, tmp_path):
    with pytest.raises(Exception, match="nowhere does not exist"):
        execute("load", SL_ROOT=str(tmp_path / "nowhere"))
    assert not Path(tmp_path / "nowhere").exists()
