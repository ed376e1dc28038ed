"""Runs commands that take 0.1 s by two threads on so many warm servers: ``EXECUTABLE SERVERS COMMANDS``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from ai.starlake.executor import Execution, ShellExecutor
from ai.starlake.executor.warm.warm_runner import WarmRunner
from ai.starlake.executor.warm.warm_server import Owner
from ai.starlake.executor.warm.warm_settings import WarmSettings
from ai.starlake.job import StarlakeCommand
from ai.starlake.testing.executor_contract import ContractReporter
from benchmarks.probes.warm_loads import memory_of_servers
from benchmarks.project import make_project
from tests.executor.warm.fake_starlake import RUNS

_STEPS = 2


def main(executable: str, servers: int, commands: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = make_project(Path(folder) / "project", {"sales": ["orders"]})
        script = Path(folder) / "takes_a_while"
        script.write_text("#!/bin/sh\nexec sleep 0.1\n", encoding="utf-8")
        script.chmod(0o755)
        runner = WarmRunner(WarmSettings(servers=servers), owner=partial(Owner.of_process, os.getpid()))
        executor = ShellExecutor(executable, lock="off", runner=runner)
        command = StarlakeCommand.of(["stage"]).with_environment({"SL_ROOT": str(root), RUNS: str(script)})

        def run(step: str) -> None:
            execution = Execution("run", step, ContractReporter())
            for _ in range(commands // _STEPS):
                executor.run(command, execution)

        before, began = time.process_time(), time.perf_counter()
        with ThreadPoolExecutor(_STEPS) as steps:
            list(steps.map(run, map(str, range(_STEPS))))
        whole = time.perf_counter() - began
        memory = sum(memory_of_servers(root))
    print(json.dumps({"whole": whole, "before": before, "memory": memory}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
