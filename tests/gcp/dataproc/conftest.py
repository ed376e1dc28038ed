from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ai.starlake.executor import Execution
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.remote import RemoteRequest, RunIdentity
from ai.starlake.gcp.client.endpoints import gs_uri
from ai.starlake.gcp.dataproc.backend import DataprocExecutor
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.gcp.dataproc.spark_job import spark_job
from ai.starlake.job import StarlakeCommand
from starlake_gcp_emulator import GcpEmulator
from tests.waiting import PATIENCE

PROJECT = "my-project"
REQUIRED = {"dataproc_project_id": PROJECT, "spark_bucket": "my-bucket", "spark_jar_list": "gs://jars/starlake.jar"}

COMMAND = [
    sys.executable,
    "-c",
    """
import json, os, sys, time
print("argv", json.dumps(sys.argv[1:]))
print("env", json.dumps({k: v for k, v in os.environ.items() if k.startswith(("SL_", "DB_", "MY_"))}))
print('IngestionCounters:{"inputCount":3,"acceptedCount":2,"rejectedCount":1}')
sys.stdout.flush()
for argument in sys.argv[1:]:
    if argument.startswith("sleep="):
        time.sleep(float(argument[6:]))
    while argument.startswith("until=") and not os.path.exists(argument[6:]):
        time.sleep(0.01)
    if argument.startswith("exit="):
        print("it went wrong")
        sys.exit(int(argument[5:]))
""",
]
"""Script in place of Spark: it prints its input, and ends according to its arguments."""


class Recorder:
    """A reporter that remembers, and lets tests act when something is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.infos: list[str] = []
        self.on_info = lambda message: None
        self.warnings: list[str] = []

    def output(self, stream, line):
        self.lines.append(line)

    def info(self, message):
        self.infos.append(message)
        self.on_info(message)

    def warning(self, message):
        self.warnings.append(message)

    def everything(self):
        return "\n".join([*self.infos, *self.warnings, *self.lines])


@dataclass
class Bench:
    """An executor and the emulator that it works with.

    Args:
        gcp: The emulator.
        tolerance: Seconds for which calls are repeated.
        options: Options of the job, over the required ones.
        folder: Where it is written down which commands are to end; see `until_ended`.
    """

    gcp: GcpEmulator
    tolerance: float = PATIENCE
    options: dict = field(default_factory=dict)
    report: Recorder = field(default_factory=Recorder)
    facts: object = None
    folder: Path = Path()

    def executor(self, **options) -> DataprocExecutor:
        settings = DataprocOptions.read(
            {
                **REQUIRED,
                **{name: value for name, value in self.gcp.options().items() if name in DataprocOptions.model_fields},
                "poll_interval": 0.02,
                "outage_tolerance": self.tolerance,
                **self.options,
                **options,
            }
        )
        return DataprocExecutor(settings, facts=self.facts)

    def execution(self, run_id: str | None = None, step: str = "load_sales", **more) -> Execution:
        return Execution(run_id=run_id or str(uuid.uuid4()), step_key=step, report=self.report, **more)

    @staticmethod
    def load(*arguments: str, **environment) -> StarlakeCommand:
        flags = ("--domains", "sales", "--tables", "orders")
        return StarlakeCommand("load", (*flags, *arguments), environment={"SL_ROOT": "/p", **environment})

    @staticmethod
    def transform(*arguments: str, **environment) -> StarlakeCommand:
        return StarlakeCommand("transform", ("--name", "kpi.sums", *arguments), environment=environment)

    @staticmethod
    def run(run_id: str = "0b5e31d2-0000-4000-8000-000000000001") -> RunIdentity:
        return RunIdentity(run_id, run_id, "sales_job", "defs.py")

    @property
    def until_ended(self) -> str:
        """The argument of a command that runs until `end`."""
        return f"until={self.folder}/end"

    def end(self) -> None:
        """End the commands that run until then."""
        (self.folder / "end").touch()

    def orphan(self, execution: Execution, *arguments: str, command: StarlakeCommand | None = None) -> str:
        """Submit the Spark job of an attempt whose process dies right then; return its id."""
        executor = self.executor()
        name = executor.ensure(execution)
        prepared = PreparedCommand.of(command or self.transform(*arguments), execution).mapped(gs_uri)
        request = RemoteRequest(prepared, execution, name)
        job = spark_job(executor.settings, request, request.name())
        place = {"project_id": PROJECT, "region": "europe-west1"}
        executor.clients.spark_jobs.submit_job(request={**place, "job": job}, retry=None)
        self.gcp.wait_for(lambda gcp: gcp.spark_jobs[-1].state == "RUNNING")
        return str(job.reference.job_id)

    def clusters(self, executor: DataprocExecutor | None = None):
        return (executor or self.executor()).backend(self.execution()).clusters


@pytest.fixture
def gcp() -> Iterator[GcpEmulator]:
    with GcpEmulator(command=COMMAND, speed=3000, grace=1) as emulator:
        yield emulator


@pytest.fixture
def bench(gcp: GcpEmulator, tmp_path: Path) -> Bench:
    return Bench(gcp, folder=tmp_path)
