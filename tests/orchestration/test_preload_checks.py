"""Pre-load checks without an orchestrator: their folders, their decisions, and that a failure is never a skip."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor import Execution, ShellExecutor
from ai.starlake.job import JobOptions, StarlakeCommand, StarlakePreLoadStrategy
from ai.starlake.orchestration.dates.run_dates import RunDates
from ai.starlake.orchestration.preload.checks import CommandCheck, check_of, decide_on_load
from ai.starlake.orchestration.preload.view import PreLoadView, ProjectView
from tests.fakes.fake_cli import FakeStarlake

FILES = {"imported": "incoming", "pending": "datasets/stage"}
DATES = RunDates(datetime(2026, 3, 1, tzinfo=timezone.utc), None)


class Lines:
    """Keeps what a run reports."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def output(self, stream: str, line: str) -> None:
        self.all.append(f"{stream}: {line}")

    def info(self, message: str) -> None:
        self.all.append(message)

    def warning(self, message: str) -> None:
        self.all.append(f"warning: {message}")


class Domain:
    """The domain sales, with tables Customers and Orders, and a run that asks about it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.fake = FakeStarlake(folder / "bin")
        self.lines = Lines()
        load = self.root / "metadata/load/sales"
        load.mkdir(parents=True)
        (self.root / "metadata/application.sl.yml").write_text("version: 1\napplication:\n  loader: spark\n")
        (load / "_config.sl.yml").write_text(
            f"version: 1\nload:\n  name: sales\n  metadata:\n    directory: '{self.root}/incoming/sales'\n"
        )
        for table in ("Customers", "Orders"):
            (load / f"{table}.sl.yml").write_text(
                f"version: 1\ntable:\n  name: {table}\n  pattern: {table.lower()}.*.csv\n"
                "  attributes:\n  - name: id\n    type: string\n"
            )

    def put(self, area: str, name: str) -> Path:
        file = self.root / area / "sales" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("id\n1\n")
        return file

    def options(self, **given) -> JobOptions:
        return JobOptions.read({"sl_env_var": {"SL_ROOT": str(self.root)}, "ack_wait_timeout": 0, **given})

    def view(self, options: JobOptions) -> PreLoadView:
        execution = Execution("a-run", "a_step", self.lines)
        return PreLoadView(ProjectView(options), DATES, "sales", lambda: ShellExecutor(str(self.fake.path)), execution)

    def ask(self, strategy: str, tables: tuple[str, ...] = (), **given):
        options = self.options(**given)
        check = check_of(options, "sales", tables, StarlakePreLoadStrategy(strategy))
        return decide_on_load(check, self.view(options))


@pytest.fixture
def domain(tmp_path):
    return Domain(tmp_path)


@pytest.mark.parametrize("strategy", FILES)
def test_only_files_of_the_tables_count(domain, strategy):
    """With orders alone waiting, a load of the customers has nothing to load."""
    domain.put(FILES[strategy], "orders_1.json.csv")
    assert domain.ask(strategy).ready
    assert domain.ask(strategy, ("Orders",)).ready
    found = domain.ask(strategy, ("Customers",))
    assert not found.ready
    assert found.reason.startswith("no file of Customers in ")
    domain.put(FILES[strategy], "customers_1.csv")
    assert domain.ask(strategy, ("Customers",)).ready


@pytest.mark.parametrize("strategy", FILES)
def test_a_folder_that_does_not_exist_is_not_an_empty_one(domain, strategy):
    found = domain.ask(strategy)
    assert not found.ready
    assert "is unknown whether there is something to load" in str(found.error)


def test_an_ack_file_is_consumed(domain):
    ack = domain.put("incoming", "2026-03-01.ack")
    path = "{SL_ROOT}/incoming/{domain}/{ds}.ack"
    assert domain.ask("ack", global_ack_file_path=path).ready
    assert not ack.exists()
    assert not domain.ask("ack", global_ack_file_path=path).ready


@pytest.mark.parametrize("ready", [True, False])
def test_the_command_answers_by_its_file(domain, ready):
    domain.put(FILES["pending"], "customers_1.csv")
    domain.fake.behave("preload", ready=[ready])
    assert domain.ask("pending", ("Customers",), pre_load_check="command").ready is ready
    (call,) = domain.fake.calls("preload")
    assert call.argv[:7] == ("preload", "--domain", "sales", "--tables", "Customers", "--strategy", "pending")
    assert domain.lines.all[0].startswith("stdout: $ starlake preload --domain sales")


def test_a_command_that_fails_is_not_nothing_to_load(domain):
    domain.fake.behave("preload", exit_codes=[3])
    with pytest.raises(StarlakeError, match="exit code 3"):
        domain.ask("imported", pre_load_check="command")


def test_the_command_cannot_be_asked_for_pending_files_of_no_table(domain):
    with pytest.raises(StarlakeError, match="pass the tables to sl_pre_load"):
        domain.ask("pending", pre_load_check="command")


@pytest.mark.parametrize(("strategy", "check"), [("imported", "files"), ("pending", "files"), ("ack", "files")])
def test_a_check_that_runs_no_command_plans_none(domain, strategy, check):
    options = domain.options(pre_load_check=check)
    planned = check_of(options, "sales", (), StarlakePreLoadStrategy(strategy)).planned(domain.view(options))
    assert planned is None


def test_a_check_that_asks_a_command_plans_it(domain):
    options = domain.options(pre_load_check="command", global_ack_file_path="{SL_ROOT}/{ds}.ack")
    planned = check_of(options, "sales", ("Orders",), StarlakePreLoadStrategy.ACK).planned(domain.view(options))
    assert planned.value_of("--globalAckFilePath") == f"{domain.root}/2026-03-01.ack"
    assert domain.fake.calls() == []


def test_only_the_command_that_asks_is_a_check():
    assert CommandCheck.of(StarlakeCommand("load", ("--domains", "sales"))) is None
    asked = CommandCheck.of(StarlakeCommand("preload", ("--domain", "sales", "--globalAckFilePath", "/GO")))
    assert (asked.ack, asked.for_ack) == ("/GO", True)
