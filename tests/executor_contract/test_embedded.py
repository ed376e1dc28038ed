"""The executor of the embedded engine keeps the contract: with the engine itself, not with what stands for it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.executor import ShellExecutor, StarlakeCounts, StarlakeExecutor, StarlakeResult
from ai.starlake.job import StarlakeCommand
from ai.starlake.testing.executor_contract import ARGUMENTS, ContractBench, ExecutorContract
from tests.waiting import PATIENCE, wait_for


def query(bench: ContractBench, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(bench.root / "datasets/duckdb.db"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def out(bench: ContractBench) -> list[str]:
    return [line for stream, line in bench.report.lines if stream == "stdout"]


def scheduled(bench: ContractBench) -> str:
    return str(query(bench, "SELECT CAST(max(scheduled_date) AS VARCHAR) FROM audit.audit")[0][0])


def staged(bench: ContractBench, result: StarlakeResult) -> None:
    assert bench.files("stage") == ["orders-1.csv", "orders-3.csv"]


def staged_none_of_slow(bench: ContractBench, result: StarlakeResult) -> None:
    assert bench.files("incoming") == ["orders-1.csv"]
    assert bench.files("stage") == ["orders-3.csv"]


def found(bench: ContractBench, result: StarlakeResult) -> None:
    assert not (bench.root / "no").exists()


def said_not_ready(bench: ContractBench, result: StarlakeResult) -> None:
    assert (bench.root / "no").exists(), "no file of table slow has landed"


def took_the_ack_file(bench: ContractBench, result: StarlakeResult) -> None:
    assert not (bench.root / "ack").exists()


def loaded(*ids: int, rejected: int = 0, archived: tuple[str, ...] = ("orders-3.csv",)) -> Callable[..., None]:
    def check(bench: ContractBench, result: StarlakeResult) -> None:
        assert result.counts == StarlakeCounts(len(ids) + rejected, len(ids), rejected)
        assert sorted(query(bench, "SELECT id FROM contract.orders")) == [(number,) for number in ids]
        assert bench.files("archive") == list(archived)
        assert (bench.root / "elsewhere/orders-2.csv").exists()

    return check


def loaded_for_a_date(bench: ContractBench, result: StarlakeResult) -> None:
    assert scheduled(bench) == "2026-03-01 10:00:00"


def wrote_numbers(bench: ContractBench, result: StarlakeResult) -> None:
    assert query(bench, "SELECT count(*), max(id) FROM contract.numbers") == [(5, 4)]


def wrote_both(bench: ContractBench, result: StarlakeResult) -> None:
    wrote_numbers(bench, result)
    assert query(bench, "SELECT max(id) FROM contract.doubled") == [(8,)]


def printed(*lines: str) -> Callable[..., None]:
    def check(bench: ContractBench, result: StarlakeResult) -> None:
        assert out(bench) == list(lines)
        assert query_of_tables(bench) == [], "nothing is written"

    return check


def query_of_tables(bench: ContractBench) -> list[tuple[Any, ...]]:
    if not (bench.root / "datasets/duckdb.db").exists():
        return []
    return query(bench, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'contract'")


def compiled(bench: ContractBench, result: StarlakeResult) -> None:
    assert any("range(5)" in line.lower().replace(" ", "") for line in out(bench))
    assert query_of_tables(bench) == []


CHECKS: dict[str, Callable[[ContractBench, StarlakeResult], None]] = {
    "stage --domains contract": staged,
    "stage --domains contract --tables slow": staged_none_of_slow,
    "import --domains contract": staged,
    "preload --domain contract --strategy imported": found,
    "preload --domain contract --tables slow --strategy imported --notReadySentinel {root}/no": said_not_ready,
    "preload --domain contract --strategy ack --globalAckFilePath {root}/ack": took_the_ack_file,
    "load --domains contract --tables orders": loaded(3),
    "load --domains contract --tables orders --options first=1,second=x y": loaded(3),
    "load --include=contract --schemas=orders": loaded(3),
    "load --domains contract --tables ": loaded(3),
    "load --domains contract --tables orders --files {root}/elsewhere/orders-2.csv": loaded(
        2, 3, rejected=1, archived=("orders-2.csv", "orders-3.csv")
    ),
    "load --domains contract --tables orders --files {root}/elsewhere/orders-2.csv --inPlace": loaded(
        2, rejected=1, archived=()
    ),
    "load --domains contract --tables orders --scheduledDate 2026-03-01T10:00:00Z": loaded_for_a_date,
    "load --domains contract --tables orders --accessToken hunter22-of-nobody": loaded(3),
    "transform --name contract.numbers": wrote_numbers,
    "transform --name contract.doubled --recursive": wrote_both,
    "transform --name contract.numbers --compile": compiled,
    "transform --name contract.numbers --interactive csv": printed("id", "0", "1", "2", "3", "4"),
    "transform --name contract.numbers --interactive csv --pageSize 2 --pageNumber 2": printed("id", "2", "3"),
    """transform --name contract.numbers --interactive csv --query SELECT 'a "b" c' AS id""": printed(
        "id", '"a ""b"" c"'
    ),
    "transform --name contract.numbers --truncate true": wrote_numbers,
    "transform --name contract.numbers --scheduledDate 2026-03-01T10:00:00Z": loaded_for_a_date,
    "transform --name contract.numbers --options first=1,second=x y": wrote_numbers,
}
"""Evidence that the engine received the arguments of a command line."""


class TestEmbeddedExecutor(ExecutorContract):
    exit_codes = (1,)
    reports_outcomes = True

    def make_executor(self, bench: ContractBench) -> StarlakeExecutor:
        return EmbeddedExecutor()

    def is_running(self, bench: ContractBench) -> bool:
        begun = any("Transforming" in line for _, line in bench.report.lines) or bench.files("ingesting")
        return bool(begun) and any(map(_is_ours, threading.enumerate()))

    def check_arguments(self, bench: ContractBench, command: StarlakeCommand, result: StarlakeResult) -> None:
        written = " ".join(command.argv).replace(str(bench.root), "{root}")
        CHECKS[written](bench, result)


class TestAnInterruptionWhileTheThreadStarts:
    """`Thread.start` waits for its thread, so a signal handler may raise there, however far the thread has come."""

    def test_a_query_that_has_begun_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bench, running = ContractBench.make(tmp_path), TestEmbeddedExecutor().is_running

        def begun() -> None:
            wait_for("the query", lambda: running(bench))

        self._run_interrupted(bench, monkeypatch, begun)
        wait_for("the end of the query", lambda: not running(bench))

    def test_a_command_that_has_not_begun_never_does(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bench, over, started = ContractBench.make(tmp_path), threading.Event(), threading.Thread.run

        def late(thread: threading.Thread) -> None:
            if _is_ours(thread):
                over.wait(PATIENCE)
            started(thread)

        monkeypatch.setattr(threading.Thread, "run", late)
        self._run_interrupted(bench, monkeypatch, lambda: None)
        over.set()
        wait_for("the end of the thread", lambda: not any(map(_is_ours, threading.enumerate())))
        assert bench.report.lines == []

    def _run_interrupted(
        self, bench: ContractBench, monkeypatch: pytest.MonkeyPatch, moment: Callable[[], None]
    ) -> None:
        start = threading.Thread.start

        def interrupted(thread: threading.Thread) -> None:
            start(thread)
            if _is_ours(thread):
                moment()
                raise KeyboardInterrupt

        monkeypatch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            EmbeddedExecutor().run(bench.command("transform", "--name", "contract.sleeps"), bench.execution())


def _is_ours(thread: threading.Thread) -> bool:
    return thread.name == "starlake-embedded"


@pytest.mark.slow
class TestShellExecutorWithTheEngine(TestEmbeddedExecutor):
    """Runs each command in a process of its own."""

    def make_executor(self, bench: ContractBench) -> StarlakeExecutor:
        return ShellExecutor([sys.executable, "-m", "ai.starlake.embedded"], facts=bench.facts)

    def is_running(self, bench: ContractBench) -> bool:
        """Return whether a child of this process works on the project, and has begun to."""
        begun = any("Transforming" in line for _, line in bench.report.lines) or bench.files("ingesting")
        return bool(begun) and any(map(_runs_the_engine, psutil.Process().children()))


def _runs_the_engine(child: psutil.Process) -> bool:
    """Return whether a child runs the engine; one that ended in between, or that nobody waited for yet, does not."""
    try:
        return "ai.starlake.embedded" in child.cmdline()
    except psutil.Error:
        return False


def test_each_command_line_of_the_contract_is_checked() -> None:
    assert set(CHECKS) == set(map(" ".join, ARGUMENTS))
