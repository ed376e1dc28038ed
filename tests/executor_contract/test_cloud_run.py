"""The executor of Cloud Run jobs keeps the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ai.starlake.gcp.cloud_run.backend import CloudRunExecutor
from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
from ai.starlake.testing.executor_contract import ContractBench, ExecutorContract
from starlake_gcp_emulator import GcpEmulator
from tests.waiting import PATIENCE

JOB = "projects/p/locations/europe-west1/jobs/starlake"


class TestCloudRunExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, bench: ContractBench, gcp: Callable[[ContractBench], GcpEmulator]) -> CloudRunExecutor:
        emulator = gcp(bench)
        emulator.add_job(JOB, max_retries=0)
        known = {name: value for name, value in emulator.options().items() if name != "dataproc_endpoint"}
        required = {"cloud_run_project_id": "p", "cloud_run_job_name": "starlake"}
        # the emulator has all lines of an execution that has ended: nothing has to be waited for
        quick = {
            "poll_interval": 0.02,
            "outage_tolerance": PATIENCE,
            "cloud_run_log_wait": 0.01,
            "cloud_run_logs": "all",
        }
        options = {**required, **known, **quick, "logging_endpoint": emulator.endpoint}
        return CloudRunExecutor(CloudRunOptions.read(options), facts=bench.facts)
