"""The contract turns red for executors that break it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ai.starlake.testing.executor_contract import ContractBench, ExecutorContract

BROKEN = Path(__file__).with_name("broken_executors.py.txt")


CAUGHT = {
    "Unmasked": ["test_a_secret_is_seen_nowhere[leaks-reference]", "test_a_secret_is_seen_nowhere[shows-name]"],
    "ThroughAShell": ["test_odd_arguments_are_passed_as_they_are"],
    "DropsAFlag": ["test_each_argument_reaches_the_command[load --domains contract --tables orders]"],
    "SwallowsExitCodes": ["test_an_exit_code_is_a_failure", "test_a_preload_that_finds_nothing_is_told_apart"],
    "GoesOn": ["test_an_interruption_ends_the_command"],
    "RunsTwice": ["test_a_command_that_succeeds"],
    "ForgetsFiles": ["test_the_files_of_a_load_that_fails_are_back", "test_a_load_is_tried_again"],
}
"""Tests of the contract that fail, by the executor that breaks it."""


def test_the_contract_turns_red(tmp_path: Path) -> None:
    file = tmp_path / "test_broken.py"
    file.write_text(BROKEN.read_text("utf-8"), encoding="utf-8")
    wanted = {f"Test{name}::{test}" for name, tests in CAUGHT.items() for test in tests}
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:xdist", "-p", "no:cacheprovider", "--tb=no"]
    options = ["--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "base")]
    asked = [f"test_broken.py::{test}" for test in wanted]
    done = subprocess.run([*command, *options, *asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    _end_what_goes_on(tmp_path)
    failed = {line.split(" - ")[0].partition("::")[2] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == wanted, done.stdout + done.stderr


def test_an_executor_has_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="make_executor"):
        ExecutorContract().make_executor(ContractBench.make(tmp_path))


def _end_what_goes_on(folder: Path) -> None:
    """End the command that an executor left behind."""
    for journal in folder.rglob("calls.jsonl"):
        bench = ContractBench(journal.parent, journal)
        for call in bench.calls():
            if _is_ours(call["pid"], folder):
                os.kill(call["pid"], signal.SIGKILL)


def _is_ours(pid: int, folder: Path) -> bool:
    try:
        return str(folder) in Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    except OSError:
        return False
