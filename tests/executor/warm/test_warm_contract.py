"""Warm servers keep the contract of executors: all tests in one server, but for those that end it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai.starlake.executor import ShellExecutor, StarlakeExecutor
from ai.starlake.executor.warm.warm_runner import WarmRunner
from ai.starlake.executor.warm.warm_server import Owner
from ai.starlake.executor.warm.warm_settings import WarmSettings
from ai.starlake.testing.executor_contract import ContractBench, ExecutorContract
from tests.executor.warm.fake_starlake import FakeStarlake
from tests.executor.warm.warm_commands import nothing_left

_LIMITED = "its compute profile limits the process"
"""Reason why a command of the contract runs as a process."""


def _this_process() -> Owner:
    return Owner.of_process(os.getpid())


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the folder of all tests: two projects would have two servers. The server ends with the last test."""
    runtime = tmp_path_factory.mktemp("runtime")
    with pytest.MonkeyPatch.context() as patch, nothing_left(runtime):
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        yield tmp_path_factory.mktemp("warm")


class TestWarmExecutor(ExecutorContract):
    @pytest.fixture
    def bench_folder(self, shared_folder: Path) -> Path:
        project = shared_folder / "project"
        project.mkdir(exist_ok=True)
        # the project is emptied and stays: a server does not serve a new folder in the place of its own
        for entry in (*shared_folder.iterdir(), *project.iterdir()):
            if entry != project:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return shared_folder

    @pytest.fixture
    def executor(self, bench: ContractBench, fake_starlake: FakeStarlake) -> Iterator[StarlakeExecutor]:
        # settings of Spark that changed would need another server
        os.utime(bench.root / "metadata/application.sl.yml", (0, 0))
        runner = WarmRunner(WarmSettings(servers=1), owner=_this_process, scope=lambda _: "contract")
        yield ShellExecutor(str(fake_starlake.starlake), facts=bench.facts, runner=runner)
        doubts = [event for event in bench.report.events if "runs as a process" in event]
        assert all(_LIMITED in doubt for doubt in doubts), doubts
