"""An executor of the tests' own: the embedded engine, with commands that are counted, and gates that open late."""

from __future__ import annotations

import json
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

from pydantic import Field

from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.executor.protocol import CommandFailedError, Execution, StarlakeExecutor, StarlakeResult
from ai.starlake.job import JobOptions, StarlakeCommand


class FlakyOptions(JobOptions):
    """Where the executor writes down what it runs."""

    journal: str = Field(default="journal", description="a folder")


class FlakyJob(StarlakeDagsterJob[FlakyOptions]):
    """Runs commands on the embedded engine."""

    options_model = FlakyOptions

    def make_executor(self) -> StarlakeExecutor:
        return FlakyExecutor(EmbeddedExecutor(), Journal(Path(self.settings.journal)))


class Journal:
    """The commands that ran, and the gates: files that some tables need, and that are there from their failure on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def gate(self, name: str) -> str:
        """SQL that fails until the gate is open."""
        file = self.folder / f"{name}.open"
        return f"SELECT CASE count(*) WHEN 0 THEN error('the gate is shut') END FROM glob('{file}')"

    def open(self, name: str) -> None:
        (self.folder / f"{name}.open").touch()

    def commands(self) -> list[list[str]]:
        file = self.folder / "commands"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def forget(self) -> None:
        (self.folder / "commands").unlink(missing_ok=True)

    def made(self) -> Counter[str]:
        """How often each table and task was run."""
        return Counter(name for command in self.commands() for name in names_of(command))


class FlakyExecutor:
    """Runs commands on an executor; a gate opens once a command that needs it has failed."""

    def __init__(self, inner: StarlakeExecutor, journal: Journal) -> None:
        self._inner = inner
        self._journal = journal

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        argv = [command.verb, *command.arguments]
        line = (json.dumps(argv) + "\n").encode()
        file = os.open(self._journal.folder / "commands", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, line)
        os.close(file)
        try:
            return self._inner.run(command, execution)
        except CommandFailedError:
            for name in names_of(argv):
                self._journal.open(name)
            raise


def names_of(argv: list[str]) -> list[str]:
    """The tables and tasks of a command that makes some, as ``domain.name``."""
    value = dict(pairwise(argv))
    if argv[0] == "load":
        return [f"{value['--domains']}.{table}" for table in value["--tables"].split(",")]
    return [value["--name"]] if argv[0] == "transform" else []
