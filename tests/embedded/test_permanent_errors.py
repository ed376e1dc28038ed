"""Errors that no retry can mend are marked, so that orchestrators do not retry; all others may pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ai.starlake.common.errors import may_retry
from ai.starlake.embedded.cli.bootstrap import bootstrap
from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.executor import CommandFailedError, Execution
from ai.starlake.job import StarlakeCommand
from ai.starlake.project.findings import ProjectError
from ai.starlake.project.project import Project
from tests.executor.conftest import Recorder

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


BIKES = "metadata/load/rental/bikes.sl.yml"
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
    stage = root / "datasets/stage/rental"
    stage.mkdir(parents=True)
    (stage / "bikes-1.csv").write_text("not,the,header\n1,2,3\n")
    assert may_retry(failure(root, *LOAD))


def test_a_disk_that_cannot_be_read_may_come_back(root: Path) -> None:
    file = root / BIKES
    file.unlink()
    file.mkdir()
    with pytest.raises(ProjectError) as failed:
        Project.read(root).table("rental", "bikes")
    assert may_retry(failed.value)
