"""Runs a command of so many lines, in a server that runs or as a process: ``EXECUTABLE warm|process LINES``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from ai.starlake.executor import Execution, ShellExecutor
from ai.starlake.executor.process.supervision import run_process
from ai.starlake.executor.warm.warm_runner import WarmRunner
from ai.starlake.executor.warm.warm_server import Owner
from ai.starlake.executor.warm.warm_settings import WarmSettings
from ai.starlake.job import StarlakeCommand
from ai.starlake.testing.executor_contract import ContractReporter
from benchmarks.project import make_project


def main(executable: str, way: str, lines: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = make_project(Path(folder) / "project", {"sales": ["orders"]})
        warm = WarmRunner(WarmSettings(), owner=partial(Owner.of_process, os.getpid()))
        executor = ShellExecutor(executable, lock="off", runner=warm if way == "warm" else run_process)

        def run(what: str) -> None:
            command = StarlakeCommand.of(["transform", "--name", f"fake.{what}"])
            executor.run(command.with_environment({"SL_ROOT": str(root)}), Execution("run", "step", ContractReporter()))

        run("count")
        before, began = time.process_time(), time.perf_counter()
        run(f"lines_{lines}")
        whole, ours = time.perf_counter() - began, time.process_time() - before
    print(json.dumps({"whole": whole, "ours": ours, "before": before}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
