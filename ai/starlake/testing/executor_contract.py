"""The contract of executors, as a suite of tests for any executor."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import EnvironmentValue
from ai.starlake.common.storage import Files
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.executor.protocol import (
    ChecksAlone,
    CommandFailedError,
    Execution,
    StarlakeExecutor,
    StarlakeResult,
    Stream,
)
from ai.starlake.job import EnvironmentReference, FileReference, JobOptions, StarlakeCommand
from ai.starlake.job.compute_profiles import SECTIONS

SECRET = "hunter22-of-nobody"  # noqa: S105  must never be shown
_STAND_IN = Path(__file__).with_name("_stand_in_main.py")
_LOAD = ("load", "--domains", "contract", "--tables", "orders")
_PROBE = ("transform", "--name", "contract.probe")
_ENDLESS = "SELECT count(*) AS n FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = -1"

_PROJECT = {
    "metadata/application.sl.yml": """
version: 1
application:
  connectionRef: duckdb
  connections:
    duckdb: {type: jdbc, options: {url: "jdbc:duckdb:{{SL_ROOT}}/datasets/duckdb.db"}}
""",
    "metadata/load/contract/_config.sl.yml": """
version: 1
load:
  metadata: {directory: "{{SL_ROOT}}/incoming/contract", format: DSV, separator: ","}
""",
    "metadata/load/contract/orders.sl.yml": r"""
version: 1
table: {name: orders, pattern: "(?s)orders-.*\\.csv", attributes: [{name: id, type: int}]}
""",
    "metadata/load/contract/slow.sl.yml": rf"""
version: 1
table: {{name: slow, pattern: "slow-.*\\.csv", presql: ["{_ENDLESS}"], attributes: [{{name: id, type: int}}]}}
""",
    "metadata/load/contract/returns.sl.yml": r"""
version: 1
table:
  name: returns
  pattern: "returns-.*\\.csv"
  attributes: [{name: id, type: int}, {name: who, type: string, privacy: HIDE}]
  expectations: [{expect: "all_below('id', 10)"}, {expect: "all_below('id', 100)"}]
""",
    "metadata/expectations/contract.j2": """
{% macro all_below(column, limit) %}SELECT COUNT(*) FROM sl_this WHERE {{ column }} >= {{ limit }}{% endmacro %}
""",
    "metadata/transform/contract/probe.py": """
import json
from pathlib import Path

def task(connection, variables):
    with Path(variables["SL_ROOT"], "calls.jsonl").open("a", encoding="utf-8") as journal:
        journal.write(json.dumps({"argv": None, "environment": dict(variables), "pid": 0}) + "\\n")
    return connection.sql("SELECT 1 AS id")
""",
    "metadata/transform/contract/numbers.sql": "SELECT range AS id FROM range(5)",
    "metadata/transform/contract/doubled.sql": "SELECT 2 * id AS id FROM contract.numbers",
    "metadata/transform/contract/shows.sql": "SELECT '{{TOLD}}' AS told",
    "metadata/transform/contract/leaks.py": """
def task(connection, variables):
    raise RuntimeError(f"cannot log in: {variables}")
""",
    "metadata/transform/contract/exits_1.sql": "SELECT * FROM nowhere_at_all",
    "metadata/transform/contract/sleeps.sql": _ENDLESS,
}

ARGUMENTS: tuple[tuple[str, ...], ...] = (
    ("stage", "--domains", "contract"),
    ("stage", "--domains", "contract", "--tables", "slow"),
    ("import", "--domains", "contract"),
    ("preload", "--domain", "contract", "--strategy", "imported"),
    (
        "preload",
        "--domain",
        "contract",
        "--tables",
        "slow",
        "--strategy",
        "imported",
        "--notReadySentinel",
        "{root}/no",
    ),
    ("preload", "--domain", "contract", "--strategy", "ack", "--globalAckFilePath", "{root}/ack"),
    (*_LOAD,),
    (*_LOAD, "--options", "first=1,second=x y"),
    ("load", "--include=contract", "--schemas=orders"),
    ("load", "--domains", "contract", "--tables", ""),
    (*_LOAD, "--files", "{root}/elsewhere/orders-2.csv"),
    (*_LOAD, "--files", "{root}/elsewhere/orders-2.csv", "--inPlace"),
    (*_LOAD, "--scheduledDate", "2026-03-01T10:00:00Z"),
    (*_LOAD, "--accessToken", SECRET),
    ("transform", "--name", "contract.numbers"),
    ("transform", "--name", "contract.doubled", "--recursive"),
    ("transform", "--name", "contract.numbers", "--compile"),
    ("transform", "--name", "contract.numbers", "--interactive", "csv"),
    ("transform", "--name", "contract.numbers", "--interactive", "csv", "--pageSize", "2", "--pageNumber", "2"),
    ("transform", "--name", "contract.numbers", "--interactive", "csv", "--query", "SELECT 'a \"b\" c' AS id"),
    ("transform", "--name", "contract.numbers", "--truncate", "true"),
    ("transform", "--name", "contract.numbers", "--scheduledDate", "2026-03-01T10:00:00Z"),
    ("transform", "--name", "contract.numbers", "--options", "first=1,second=x y"),
)
"""Command lines that together have each flag of each verb; ``{root}`` is the folder of the project."""

PROFILE_SECTIONS: Mapping[str, Mapping[str, object]] = {
    "spark": {"executor_memory": "2g", "driver_memory": "1g"},
    "cloud_run": {"cpu": "2", "memory": "2Gi", "timeout": 300},
    "dataproc": {"worker_machine_type": "n1-standard-8", "num_workers": 3},
    "process": {"cpu_seconds": 300, "nice": 1},
    "duckdb": {"threads": 1, "memory_limit": "500MB"},
}
"""A compute profile that has sizes for each kind of executor."""

ODD_NAMES = ("a b", "a'b", 'a"b', "$(touch pwned)", "`touch pwned`", "; touch pwned #", "$HOME", "a\nb", "\\", "é€漢")
ODD_VALUES = (*ODD_NAMES, "", " ", "*", "--flag", "{{x}}", "%s", "a=b,c=d")


class ContractReporter:
    """A reporter that records everything."""

    def __init__(self) -> None:
        self.lines: list[tuple[Stream, str]] = []
        self.events: list[str] = []

    def output(self, stream: Stream, line: str) -> None:
        """Record a line."""
        self.lines.append((stream, line))

    def info(self, message: str) -> None:
        """Record a message."""
        self.events.append(message)

    def warning(self, message: str) -> None:
        """Record a warning."""
        self.events.append(message)

    @property
    def everything(self) -> str:
        """Everything that was reported."""
        return "\n".join([*self.events, *(line for _, line in self.lines)])


class ContractFacts:
    """Facts of the project of the contract; see `ProjectFacts`."""

    files = Files()

    def __init__(self, root: str, environment: Mapping[str, str]) -> None:
        self._root = Path(environment.get("SL_ROOT") or root)

    def duckdb_file(
        self,
        domain: str | None = None,  # noqa: ARG002  there is one database
        table: str | None = None,  # noqa: ARG002
        *,
        task: str | None = None,  # noqa: ARG002
    ) -> Path | None:
        """Return the only database."""
        return self._root / "datasets/duckdb.db"

    def table_pattern(self, domain: str, table: str) -> re.Pattern[str]:  # noqa: ARG002  there is one domain
        """Return the regular expression for the name of a file of a table."""
        return re.compile(rf"(?s){table}-.*\.csv")

    def area(self, name: str, domain: str) -> str:
        """Return the folder of a domain in an area."""
        return str(self._root / "incoming" / domain if name == "incoming" else self._root / "datasets" / name / domain)


@dataclass
class ContractBench:
    """A small project, with records of its commands.

    Args:
        root: The folder of the project, a Starlake project of DuckDB with domain ``contract``.
        starlake: The executable in place of `starlake`; it works on this project only.
        facts: The facts for executors that need facts about projects.
        report: The reported messages.
    """

    root: Path
    starlake: Path
    facts: Callable[[str, Mapping[str, str]], ContractFacts] = ContractFacts
    report: ContractReporter = field(default_factory=ContractReporter)
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def make(cls, folder: Path) -> ContractBench:
        """Write the project and the executable."""
        root = folder / "project"
        for name, text in _PROJECT.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.lstrip(), encoding="utf-8")
        for area in ("incoming", "datasets/stage", "datasets/ingesting", "datasets/archive", "elsewhere"):
            (root / area / "contract").mkdir(parents=True)
        starlake = folder / "starlake"
        python = shlex.join([sys.executable, "-I", "-S", str(_STAND_IN), str(root)])
        starlake.write_text(f'#!/bin/sh\nexec {python} "$@"\n', encoding="utf-8")
        starlake.chmod(0o755)
        return cls(root, starlake)

    def command(self, *argv: str, **environment: EnvironmentValue) -> StarlakeCommand:
        """Return a command on the project.

        Args:
            *argv: Its arguments, verb first; ``{root}`` in them is the folder of the project.
            **environment: Its environment variables.
        """
        arguments = [argument.replace("{root}", str(self.root)) for argument in argv]
        return StarlakeCommand.of(arguments).with_environment({"SL_ROOT": str(self.root), **environment})

    def execution(self, step: str = "step", attempt: int = 0, *, outcomes: bool = False) -> Execution:
        """Return an attempt at a step of the run of this test.

        Args:
            step: The step. A backend may mistake a second command of one attempt for the first one.
            attempt: 0 for the first attempt.
            outcomes: True if the outcome of each table or task is wanted.
        """
        return Execution(self.run_id, step, self.report, attempt, outcomes=outcomes)

    def put(self, name: str, text: str, area: str = "stage") -> Path:
        """Write a file to an area of the domain, or to ``elsewhere``.

        Args:
            name: The name of the file.
            text: Its content.
            area: The area, such as ``stage``.
        """
        if area == "elsewhere":
            file = self.root / "elsewhere" / name
        else:
            file = Path(ContractFacts(str(self.root), {}).area(area, "contract")) / name
        file.write_text(text, encoding="utf-8")
        return file

    def files(self, area: str) -> list[str]:
        """Return the names of the files in an area of the domain, without hidden ones."""
        folder = Path(ContractFacts(str(self.root), {}).area(area, "contract"))
        return sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))

    def calls(self) -> list[dict[str, Any]]:
        """Return the records of commands so far: ``argv``, ``environment``, ``pid``."""
        journal = self.root / "calls.jsonl"
        written = journal.read_text("utf-8") if journal.exists() else ""
        whole = written.rpartition("\n")[0]  # a command may be writing the last line
        return [json.loads(line) for line in whole.splitlines()]


class _InterruptedError(BaseException):
    """Exceptions of Dagster's handlers are not an `Exception` either."""


class ExecutorContract:
    """The tests of every executor. Subclass it in your tests, and override `make_executor`.

    The executor gets a small project, and an executable in place of `starlake`: it does to files what Starlake does,
    and records its input. Let your backend start that executable wherever it starts Starlake: in the container, on the
    cluster, or in the fake of it that your tests use. It has to run on this machine.

    ```python
    from ai.starlake.testing.executor_contract import ContractBench, ExecutorContract


    class TestMyExecutor(ExecutorContract):
        exit_codes = (1,)  # my service does not tell exit codes: every failure is 1

        def make_executor(self, bench: ContractBench) -> StarlakeExecutor:
            return MyExecutor(fake_service(run=str(bench.starlake)), facts=bench.facts)
    ```

    An executor that needs fixtures overrides the fixture `executor` instead.

    Attributes:
        exit_codes: Exit codes of commands that the executor has to report. A negative or lost exit code never counts as
            a success.
        patience: Seconds until an interrupted command has ended.
        reports_outcomes: True if the executor reports the outcome of each table and task: counts, files, reasons for
            rejects and results of expectations, of those that failed, too. Its commands are then the engine's own,
            because the executable of the bench does not support expectations.
    """

    exit_codes: tuple[int, ...] = (1, 3)
    patience: float = 60.0
    reports_outcomes: bool = False

    def make_executor(self, bench: ContractBench) -> StarlakeExecutor:
        """Return the executor.

        Args:
            bench: The project, and the executable to run.
        """
        raise NotImplementedError("override make_executor, or the fixture executor")

    @pytest.fixture
    def bench_folder(self, tmp_path: Path) -> Path:
        """Return the folder of a test, which is empty. Override it where all tests have to work in the same one.

        Args:
            tmp_path: Folder of the test, from pytest.
        """
        return tmp_path

    @pytest.fixture
    def bench(self, bench_folder: Path, monkeypatch: pytest.MonkeyPatch) -> ContractBench:
        """Return the project of a test; the environment has no variables of Starlake, and one secret.

        Args:
            bench_folder: Folder of the project.
            monkeypatch: Fixture of pytest, which restores the environment.
        """
        for name in [name for name in os.environ if name.startswith("SL_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("WHERE_THE_SECRET_IS", SECRET)
        monkeypatch.chdir(bench_folder)
        return ContractBench.make(bench_folder)

    @pytest.fixture
    def executor(self, bench: ContractBench) -> StarlakeExecutor:
        """Return the executor of a test.

        Args:
            bench: Project of the test.
        """
        return self.make_executor(bench)

    def is_running(self, bench: ContractBench) -> bool:
        """Return True if a command is running. Override it if the command is not the executable of the bench.

        Args:
            bench: Project of the test.
        """
        return any(_is_alive(call["pid"]) for call in bench.calls())

    def check_arguments(self, bench: ContractBench, command: StarlakeCommand, result: StarlakeResult) -> None:
        """Check that a command received each of its arguments. Override it if it is not the executable of the bench.

        Args:
            bench: The project, after the command.
            command: The command, which succeeded.
            result: The result of the executor.
        """
        assert result.exit_code == 0
        assert bench.calls()[-1]["argv"] == list(command.argv)

    # -- success, counts, exit codes -------------------------------------------------------------------------------

    def test_a_command_that_succeeds(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that the result reports it, and its duration."""
        started = time.monotonic()
        result = executor.run(bench.command(*_PROBE), bench.execution())
        assert result.exit_code == 0
        assert result.counts is None, "a transform counts no rows"
        assert 0 < result.duration <= time.monotonic() - started
        assert len(bench.calls()) == 1, "it runs once"

    def test_the_rows_of_a_load_are_counted(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check the rows read, accepted and rejected."""
        bench.put("orders-1.csv", "id\n1\n2\nx\n")
        result = executor.run(bench.command(*_LOAD), bench.execution())
        assert result.counts == StarlakeCounts(3, 2, 1)
        assert (bench.files("stage"), bench.files("ingesting")) == ([], [])
        assert bench.files("archive") == ["orders-1.csv"]

    def test_a_load_without_files_reads_nothing(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that this is not a failure."""
        result = executor.run(bench.command(*_LOAD), bench.execution())
        assert result.counts is not None
        assert result.counts.read_nothing

    # -- outcomes of tables and tasks ------------------------------------------------------------------------------

    def test_outcomes_are_told_to_who_asks_for_them(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check the counts, files and reasons for rejects of a load; an executor without these explains why."""
        bench.put("orders-1.csv", "id\n1\n2\nx\n")
        assert executor.run(bench.command(*_LOAD), bench.execution()).tables == ()
        bench.put("orders-2.csv", "id\n3\ny\n")
        tables = executor.run(bench.command(*_LOAD), bench.execution("another step", outcomes=True)).tables
        self.require_told(tables)
        if self.reports_outcomes:
            (orders,) = tables
            assert (orders.name, orders.counts, orders.error) == ("contract.orders", StarlakeCounts(2, 1, 1), None)
            assert (orders.checks, orders.row_count) == ((), 3)
            assert [(file.name, file.size) for file in orders.files] == [("orders-2.csv", 7)]
            assert [reason.rows for reason in orders.reasons] == [1]
            assert orders.audit_id == bench.execution("another step").job_id

    def test_outcomes_of_expectations(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that each expectation has its result, and the violating rows without private columns."""
        bench.put("returns-1.csv", "id,who\n1,Ada\n20,Bob\n")
        command = bench.command("load", "--domains", "contract", "--tables", "returns")
        tables = executor.run(command, bench.execution(outcomes=True)).tables
        self.require_told(tables)
        if self.reports_outcomes:
            first, second = tables[0].checks or ()
            assert (first.expect, first.success, first.count) == ("all_below('id', 10)", False, 1)
            assert first.rows == ({"id": "20"},)
            assert (second.expect, second.success, second.count) == ("all_below('id', 100)", True, 0)

    def test_outcomes_of_a_load_that_fails(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check the loaded tables, and the failed expectation."""
        bench.put("orders-1.csv", "id\n1\n")
        bench.put("returns-1.csv", "id,who\n20,Bob\n" if self.reports_outcomes else "id\n1\n")
        bench.put("orders-2.csv", "other\n1\n")
        argv = ("load", "--domains", "contract", "--tables", "returns,orders")
        command = bench.command(*argv, SL_EXPECTATIONS_FAIL_ON_ERROR="true")
        with pytest.raises(CommandFailedError) as failure:
            executor.run(command, bench.execution(outcomes=True))
        tables = {table.name: table for table in failure.value.tables}
        self.require_told(failure.value.tables)
        if self.reports_outcomes:
            assert tables.keys() == {"contract.orders", "contract.returns"}
            assert "orders-2.csv" in (tables["contract.orders"].error or "")
            assert tables["contract.orders"].row_count == 1, "the other file is loaded"
            assert [check.success for check in tables["contract.returns"].checks or ()] == [False, True]
            assert "all_below" in (tables["contract.returns"].error or "")

    def test_outcomes_of_tasks(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check the outcome of each task, in order."""
        command = bench.command("transform", "--name", "contract.doubled", "--recursive")
        tables = executor.run(command, bench.execution(outcomes=True)).tables
        self.require_told(tables)
        if self.reports_outcomes:
            told = [(table.name, table.counts, table.row_count) for table in tables]
            assert told == [("contract.numbers", None, 5), ("contract.doubled", None, 5)]

    def test_a_secret_is_not_in_an_outcome(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check this although the error of the task contains the secret."""
        command = bench.command("transform", "--name", "contract.leaks", DB_PASSWORD=SECRET)
        with pytest.raises(CommandFailedError) as failure:
            executor.run(command, bench.execution(outcomes=True))
        assert SECRET not in str(failure.value.tables)
        if self.reports_outcomes:
            assert "cannot log in" in (failure.value.tables[0].error or "")

    def test_checks_alone(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that the executor evaluates the expectations of existing tables; an unmet one is a result."""
        if not isinstance(executor, ChecksAlone):
            assert not self.reports_outcomes
            return
        bench.put("returns-1.csv", "id,who\n1,Ada\n20,Bob\n")
        executor.run(bench.command("load", "--domains", "contract", "--tables", "returns"), bench.execution())
        command = bench.command("check", "--names", "contract.returns,contract.orders,contract.numbers,contract.none")
        tables = executor.check_tables(command, bench.execution("another step"))
        assert [table.name for table in tables] == (command.value_of("--names") or "").split(",")
        self.require_told(tables)
        if self.reports_outcomes:
            returns, orders, numbers, none = tables
            assert [check.success for check in returns.checks or ()] == [False, True]
            assert (returns.checks or ())[0].rows == ({"id": "20"},)
            assert (returns.row_count, orders.checks, numbers.checks) == (2, (), ())
            assert none.error

    def require_told(self, tables: Sequence[TableOutcome]) -> None:
        """Require results of expectations, or the reason why they are unknown.

        Args:
            tables: The outcomes.
        """
        assert all(table.checks is not None or table.checks_unknown for table in tables)
        assert tables or not self.reports_outcomes

    # -- exit codes ------------------------------------------------------------------------------------------------

    def test_an_exit_code_is_a_failure(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that the error contains the exit code and the command."""
        for code in self.exit_codes:
            with pytest.raises(CommandFailedError) as failure:
                executor.run(
                    bench.command("transform", "--name", f"contract.exits_{code}"), bench.execution(f"exit {code}")
                )
            assert failure.value.exit_code == code
            assert f"contract.exits_{code}" in str(failure.value)

    def test_a_preload_that_finds_nothing_is_told_apart(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check the exit code, or the requested file."""
        asked = ("preload", "--domain", "contract", "--tables", "orders", "--strategy", "pending")
        with pytest.raises(CommandFailedError) as failure:
            executor.run(bench.command(*asked), bench.execution())
        assert failure.value.exit_code == 1
        sentinel = bench.root / "not-ready"
        command = bench.command(*asked, "--notReadySentinel", str(sentinel))
        assert executor.run(command, bench.execution("another step")).exit_code == 0
        assert sentinel.exists()

    # -- what a command receives -----------------------------------------------------------------------------------

    def test_the_environment_of_a_command(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check the requested variables, and the job id for the audit."""
        executor.run(bench.command(*_PROBE, MINE="a value"), bench.execution())
        received = bench.calls()[-1]["environment"]
        assert received["MINE"] == "a value"
        assert received["SL_ROOT"] == str(bench.root)
        assert received["SL_JOB_ID"] == bench.execution().job_id

    def test_nothing_of_a_command_stays(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check the environment of this process, and that of the next command."""
        before = dict(os.environ)
        executor.run(bench.command(*_PROBE, MINE="a value"), bench.execution())
        assert dict(os.environ) == before
        executor.run(bench.command(*_PROBE), bench.execution("another step"))
        assert "MINE" not in bench.calls()[-1]["environment"]

    @pytest.mark.parametrize("argv", ARGUMENTS, ids=" ".join)
    def test_each_argument_reaches_the_command(
        self, bench: ContractBench, executor: StarlakeExecutor, argv: tuple[str, ...]
    ) -> None:
        """Check that none is dropped or changed."""
        bench.put("orders-1.csv", "id\n1\n", area="incoming")
        bench.put("orders-3.csv", "id\n3\n")
        bench.put("orders-2.csv", "id\n2\nx\n", area="elsewhere")
        (bench.root / "ack").touch()
        command = bench.command(*argv)
        self.check_arguments(bench, command, executor.run(command, bench.execution()))

    def test_odd_values_are_passed_as_they_are(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that nothing interprets them."""
        given = {f"ODD_{number}": value for number, value in enumerate(ODD_VALUES)}
        executor.run(bench.command(*_PROBE, **given), bench.execution())
        received = bench.calls()[-1]["environment"]
        assert {name: received.get(name) for name in given} == given
        _require_no_trace(bench)

    def test_odd_arguments_are_passed_as_they_are(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that files with odd names are loaded, and keep their names."""
        names = [f"orders-{name}.csv" for name in ODD_NAMES]
        files = [bench.put(name, "id\n1\n", area="elsewhere") for name in names]
        command = bench.command(*_LOAD, "--files", ",".join(map(str, files)))
        result = executor.run(command, bench.execution())
        assert result.counts == StarlakeCounts(len(names), len(names), 0)
        assert bench.files("archive") == sorted(names)
        _require_no_trace(bench)

    # -- sizes of what a command runs on ---------------------------------------------------------------------------

    def test_a_command_with_a_compute_profile(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that the command is unchanged, and that the result has the sizes that the executor reads."""
        profile = JobOptions.read({"compute": {"small": PROFILE_SECTIONS}}).compute["small"]
        command = bench.command(*_PROBE, MINE="a value").with_compute(profile)
        result = executor.run(command, bench.execution())
        assert bench.calls()[-1]["environment"]["MINE"] == "a value"
        assert result.sizes.items() <= profile.sizes(*SECTIONS).items()
        plain = executor.run(bench.command(*_PROBE), bench.execution("another step"))
        assert plain.sizes == {}

    # -- secrets ---------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("way", ["reference", "file", "name", "option", "argument"])
    @pytest.mark.parametrize("task", ["leaks", "shows"])
    def test_a_secret_is_seen_nowhere(
        self,
        bench: ContractBench,
        executor: StarlakeExecutor,
        way: str,
        task: str,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Check the output, the error, the result and the log, although the command prints everything."""
        (bench.root / "secret").write_text(f"{SECRET}\n")
        ways: dict[str, tuple[tuple[str, ...], dict[str, EnvironmentValue]]] = {
            "reference": ((), {"PLAIN": EnvironmentReference("WHERE_THE_SECRET_IS")}),
            "file": ((), {"PLAIN": FileReference(str(bench.root / "secret"))}),
            "name": ((), {"DB_PASSWORD": SECRET}),
            "option": (("--options", f"db_password={SECRET}"), {}),
            "argument": (("--accessToken", SECRET), {}),
        }
        arguments, environment = ways[way]
        told: EnvironmentValue = environment.get("PLAIN", "nothing")
        argv = ("transform", "--name", f"contract.{task}", "--interactive", "csv", *arguments)
        command = bench.command(*argv, **{"TOLD": told, **environment})
        seen: list[object] = []
        try:
            seen.append(executor.run(command, bench.execution()))
        except CommandFailedError as error:
            seen += [error, repr(error), error.args, error.tail, error.culprit, error.cause, error.fix]
        assert isinstance(seen[0], CommandFailedError if task == "leaks" else StarlakeResult)
        printed = capfd.readouterr()
        text = "\n".join(map(str, [*seen, bench.report.everything, printed.out, printed.err, caplog.text]))
        assert SECRET not in text

    def test_a_secret_reaches_the_command(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that it is masked only in messages."""
        reference = EnvironmentReference("WHERE_THE_SECRET_IS")
        executor.run(bench.command(*_PROBE, PLAIN=reference), bench.execution())
        assert bench.calls()[-1]["environment"]["PLAIN"] == SECRET

    # -- what is left behind ---------------------------------------------------------------------------------------

    def test_the_files_of_a_load_that_fails_are_back(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that they are in the stage area when the failure is reported."""
        bench.put("orders-1.csv", "other\n1\n")
        with pytest.raises(CommandFailedError):
            executor.run(bench.command(*_LOAD), bench.execution())
        assert (bench.files("stage"), bench.files("ingesting")) == (["orders-1.csv"], [])

    def test_a_load_is_tried_again(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that the second attempt loads the files of the first one, once."""
        bench.put("orders-1.csv", "other\n1\n")
        with pytest.raises(CommandFailedError):
            executor.run(bench.command(*_LOAD), bench.execution())
        bench.put("orders-1.csv", "id\n1\n2\n")
        result = executor.run(bench.command(*_LOAD), bench.execution(attempt=1))
        assert result.counts == StarlakeCounts(2, 2, 0)
        assert (bench.files("stage"), bench.files("ingesting")) == ([], [])
        assert bench.files("archive") == ["orders-1.csv"]

    def test_files_that_no_load_finds_are_a_failure(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that files in the ingesting area, from a failed load without an executor, are an error."""
        bench.put("orders-9.csv", "id\n1\n", area="ingesting")
        with pytest.raises(StarlakeError, match=r"orders-9\.csv"):
            executor.run(bench.command(*_LOAD), bench.execution())
        assert bench.files("ingesting") == ["orders-9.csv"], "whether it is loaded is not known"

    def test_an_interruption_ends_the_command(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that an exception during a command, such as one of a signal handler, ends it."""
        command = bench.command("transform", "--name", "contract.sleeps")
        with interrupted_when(lambda: self.is_running(bench)), pytest.raises(_InterruptedError):
            executor.run(command, bench.execution())
        self._require_end(bench)

    def test_an_interrupted_load_leaves_nothing_behind(self, bench: ContractBench, executor: StarlakeExecutor) -> None:
        """Check that its files are in the stage area."""
        bench.put("slow-1.csv", "id\n1\n")
        command = bench.command("load", "--domains", "contract", "--tables", "slow")
        taken = lambda: bench.files("ingesting") == ["slow-1.csv"] and self.is_running(bench)  # noqa: E731
        with interrupted_when(taken), pytest.raises(_InterruptedError):
            executor.run(command, bench.execution())
        self._require_end(bench)
        assert (bench.files("stage"), bench.files("ingesting")) == (["slow-1.csv"], [])

    def _require_end(self, bench: ContractBench) -> None:
        deadline = time.monotonic() + self.patience
        while self.is_running(bench):
            assert time.monotonic() < deadline, "the command runs on"
            time.sleep(0.02)


@contextmanager
def interrupted_when(begun: Callable[[], bool], *, within: float = 120.0) -> Iterator[None]:
    """Interrupt the main thread, by a signal handler, as soon as a condition holds.

    Args:
        begun: Returns True if it is. An error that it raises ends the wait, and is raised after the block.
        within: Seconds after which it is no longer waited for: the thread is interrupted then, too.
    """

    def interrupt(_number: int, _frame: object) -> None:
        raise _InterruptedError

    over = threading.Event()
    main = threading.main_thread().ident
    assert main is not None
    failures: list[BaseException] = []

    def watch() -> None:
        deadline = time.monotonic() + within
        begins = False
        try:
            while not (begins or over.wait(0.02)):
                begins = begun() or time.monotonic() > deadline
        except BaseException as error:  # noqa: BLE001  it is raised in the main thread
            failures.append(error)
            begins = True  # otherwise the main thread would wait forever for a command
        if begins:
            signal.pthread_kill(main, signal.SIGTERM)

    handler = signal.signal(signal.SIGTERM, interrupt)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        signal.signal(signal.SIGTERM, handler)
    if failures:
        raise failures[0]


def _is_alive(pid: int) -> bool:
    """Return True if a process is running; a zombie is not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"


def _require_no_trace(bench: ContractBench) -> None:
    """Require that no argument was run by a shell."""
    assert not list(bench.root.parent.rglob("pwned"))
    assert not Path("pwned").exists()
