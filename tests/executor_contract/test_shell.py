"""The executor of local processes keeps the contract."""

from __future__ import annotations

from ai.starlake.executor import ShellExecutor
from ai.starlake.testing.executor_contract import ContractBench, ExecutorContract


class TestShellExecutor(ExecutorContract):
    def make_executor(self, bench: ContractBench) -> ShellExecutor:
        return ShellExecutor(str(bench.starlake), facts=bench.facts)
