"""An executor of the tests' own: the embedded engine, with commands that are counted, and gates that open late."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from dagster import AssetKey, DagsterEventType, DagsterInstance, Definitions, execute_job
from dagster._core.definitions.reconstruct import ReconstructableRepository
from pydantic import Field

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.executor.protocol import CommandFailedError, Execution, StarlakeExecutor, StarlakeResult
from ai.starlake.job import JobOptions, StarlakeCommand
from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.reporting import job_of_all


class FlakyOptions(JobOptions):
    """Folder of the journal of the executor."""

    journal: str = Field(default="journal", description="a folder")
    reports: bool = Field(default=True, description="whether it reports each table of a load")


class FlakyJob(StarlakeDagsterJob[FlakyOptions]):
    """Runs commands on the embedded engine."""

    options_model = FlakyOptions

    def make_executor(self) -> StarlakeExecutor:
        kind = FlakyExecutor if self.settings.reports else SilentExecutor
        return kind(EmbeddedExecutor(), Journal(Path(self.settings.journal)))


class Journal:
    """Commands that ran, and gates: files that some tables need, and that exist from their failure on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def gate(self, name: str) -> str:
        """Return SQL that fails until the gate is open."""
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
        """Return the number of runs of each table and task."""
        return Counter(name for command in self.commands() for name in names_of(command))


class SilentExecutor:
    """Runs commands on an executor, and reports nothing of single tables.

    A gate opens once a command that needs it has failed.
    """

    outcomes = False

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
            return self._inner.run(command, replace(execution, outcomes=self.outcomes))
        except CommandFailedError:
            for name in names_of(argv):
                self._journal.open(name)
            raise


class FlakyExecutor(SilentExecutor):
    """Reports each table of a load, too."""

    outcomes = True

    def reports_tables(self, command: StarlakeCommand, execution: Execution) -> bool:
        return self._inner.reports_tables(command, execution)


def names_of(argv: list[str]) -> list[str]:
    """Return the tables and tasks of a command that makes some, as ``domain.name``."""
    value = dict(pairwise(argv))
    if argv[0] == "load":
        return [f"{value['--domains']}.{table}" for table in value["--tables"].split(",")]
    return [value["--name"]] if argv[0] == "transform" else []


CODE = """
from ai.starlake.dagster import build_starlake_definitions
from tests.dagster.assets.flaky import FlakyJob

defs = build_starlake_definitions({root!r}, FlakyJob(options={options!r}), batched={batched!r}, sensors=False)
"""


class Shop:
    """A project of tables that are loaded, and of tasks that read them; some of them fail once.

    Args:
        folder: Its folder.
        tables: How many tables there are: ``shop.t00`` and so on.
        flaky: Which tables fail once.
    """

    def __init__(self, folder: Folder, tables: int = 4, flaky: tuple[str, ...] = ("shop.t01",)) -> None:
        self.folder = folder
        self.journal = Journal(folder.root / "journal")
        self.tables = [f"shop.t{number:02}" for number in range(tables)]
        for table in self.tables:
            self.table(table, flaky=table in flaky)

    def table(self, name: str, *, flaky: bool = False, rows: str = "1\n2\n") -> None:
        """Write a table and a file for it."""
        domain, _, table = name.partition(".")
        gate = f'presql:\n  - "{self.journal.gate(name)}"\n' if flaky else ""
        self.folder.table(domain, table, more=gate)
        self.deliver(name, rows)

    def deliver(self, name: str, rows: str = "1\n2\n") -> None:
        domain, _, table = name.partition(".")
        file = self.folder.root / "datasets/stage" / domain / f"{table}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"id\n{rows}")

    def task(self, name: str, *reads: str, flaky: bool = False) -> None:
        domain, _, task = name.partition(".")
        union = " UNION ALL ".join(f"SELECT id FROM {table}" for table in reads)
        gate = f'task:\n  presql:\n    - "{self.journal.gate(name)}"\n' if flaky else ""
        self.folder.task(domain, task, f"SELECT count(*) AS id FROM ({union})", gate)

    def definitions(self, batched: object, **options: object) -> Definitions:
        given = {"journal": str(self.journal.folder), **options}
        return build_starlake_definitions(self.folder.root, FlakyJob(options=given), batched=batched, sensors=False)

    def materialize(self, batched: object, *selected: str, **options: object):
        """Materializes assets in this process, all by default."""
        definitions = self.definitions(batched, **options)
        job = job_of_all(definitions)
        keys = [AssetKey(name.split(".")) for name in selected] or None
        return job.execute_in_process(instance=DagsterInstance.ephemeral(), asset_selection=keys, raise_on_error=False)


class Location:
    """A code location of a shop, whose runs an instance keeps."""

    def __init__(self, home: Path, shop: Shop, batched: object, **options: object) -> None:
        self.instance = DagsterInstance.from_config(str(home))
        self.code = shop.folder.root / "definitions.py"
        given = {"journal": str(shop.journal.folder), **options}
        self.code.write_text(CODE.format(root=str(shop.folder.root), options=given, batched=batched))

    def run(self, **arguments: object):
        """Execute all assets."""
        job = ReconstructableRepository.for_file(str(self.code), "defs").get_reconstructable_job("__ASSET_JOB")
        config = {"execution": {"config": {"in_process": {}}}}
        return execute_job(job, self.instance, run_config=config, raise_on_error=False, **arguments)

    def materialized(self, run_id: str) -> Counter[str]:
        """Return the number of materializations of each asset in a run."""
        entries = self.instance.all_logs(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
        return Counter(".".join(entry.dagster_event.asset_key.path) for entry in entries)

    def latest(self, asset: str):
        """Return the last materialization of an asset."""
        return self.instance.get_latest_materialization_event(AssetKey(asset.split("."))).asset_materialization
