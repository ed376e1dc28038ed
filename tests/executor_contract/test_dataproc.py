"""The executor of Spark jobs keeps the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ai.starlake.gcp.dataproc.backend import DataprocExecutor
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.testing.executor_contract import ContractBench, ExecutorContract
from starlake_gcp_emulator import GcpEmulator
from tests.waiting import PATIENCE

REQUIRED = {"dataproc_project_id": "p", "spark_bucket": "bucket", "spark_jar_list": "gs://jars/starlake.jar"}


class TestDataprocExecutor(ExecutorContract):
    exit_codes = (1,)  # Dataproc tells that a driver failed, and not how it exited

    @pytest.fixture
    def executor(self, bench: ContractBench, gcp: Callable[[ContractBench], GcpEmulator]) -> DataprocExecutor:
        emulator = gcp(bench)
        known = {name: value for name, value in emulator.options().items() if name in DataprocOptions.model_fields}
        quick = {"poll_interval": 0.02, "outage_tolerance": PATIENCE}
        return DataprocExecutor(DataprocOptions.read({**REQUIRED, **known, **quick}), facts=bench.facts)
