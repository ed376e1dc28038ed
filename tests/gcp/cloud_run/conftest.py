from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ai.starlake.common.storage import Files
from ai.starlake.executor import Execution
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.cloud_run.backend import CloudRunExecutor
from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
from ai.starlake.gcp.cloud_run.executions import Marker
from ai.starlake.job import StarlakeCommand
from starlake_gcp_emulator import GcpEmulator
from tests.waiting import PATIENCE

PROJECT, REGION, JOB = "my-project", "europe-west1", "starlake-job"
JOB_NAME = f"projects/{PROJECT}/locations/{REGION}/jobs/{JOB}"

COMMAND = [
    sys.executable,
    "-c",
    """
import json, os, sys, time
print("argv", json.dumps(sys.argv[1:]))
print("env", json.dumps({k: v for k, v in os.environ.items() if k.startswith(("SL_", "DB_", "MY_"))}), flush=True)
for argument in sys.argv[1:]:
    if argument.startswith("sleep="):
        time.sleep(float(argument[6:]))
    while argument.startswith("until=") and not os.path.exists(argument[6:]):
        time.sleep(0.01)
    if argument.startswith("exit="):
        print("it went wrong")
        sys.exit(int(argument[5:]))
print('IngestionCounters:{"inputCount":3,"acceptedCount":2,"rejectedCount":1}')
""",
]
"""Script in place of the entry point of the image: it prints its input, and ends according to its arguments."""


class Recorder:
    """A reporter that remembers, and lets tests act when something is said."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.infos: list[str] = []
        self.warnings: list[str] = []
        self.on_info = lambda message: None

    def output(self, stream, line):
        self.lines.append((stream, line))

    def info(self, message):
        self.infos.append(message)
        self.on_info(message)

    def warning(self, message):
        self.warnings.append(message)

    def everything(self):
        return "\n".join([*self.infos, *self.warnings, *(line for _, line in self.lines)])


@dataclass
class Bench:
    """An executor and the emulator that it works with.

    Args:
        gcp: The emulator.
        options: Options of the job, over those that every test needs.
        folder: Where it is written down which commands are to end; see `until_ended`.
    """

    gcp: GcpEmulator
    options: dict = field(default_factory=dict)
    report: Recorder = field(default_factory=Recorder)
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    facts: object = None
    calls: object = Calls
    job_name: str = JOB_NAME
    folder: Path = Path()

    def clients(self) -> GcpClients:
        return GcpClients(self.settings().endpoints, project=PROJECT, region=REGION)

    def settings(self, **options) -> CloudRunOptions:
        return CloudRunOptions.read(
            {
                "cloud_run_project_id": PROJECT,
                "cloud_run_job_name": JOB,
                "poll_interval": 0.02,
                "outage_tolerance": PATIENCE,
                "logging_endpoint": self.gcp.endpoint,
                "cloud_run_log_wait": 0.01,  # the emulator has all lines of an execution that has ended
                **{name: value for name, value in self.gcp.options().items() if name != "dataproc_endpoint"},
                **self.options,
                **options,
            }
        )

    @property
    def files(self) -> Files:
        return self.settings().files

    def executor(self, **options) -> CloudRunExecutor:
        return CloudRunExecutor(self.settings(**options), facts=self.facts, calls=self.calls)

    def execution(self, step="load_orders", attempt=0, **facts) -> Execution:
        return Execution(facts.pop("run_id", self.run_id), step, self.report, attempt, **facts)

    def fresh(self) -> None:
        """Another run, which nothing was said about yet."""
        self.report = Recorder()
        self.run_id = str(uuid.uuid4())

    @property
    def until_ended(self) -> str:
        """The argument of a command that runs until this run is ended."""
        return f"until={self.folder}/{self.run_id}"

    def end(self) -> None:
        """End the commands of this run that run until then."""
        (self.folder / self.run_id).touch()

    def end_when(self, *words: str) -> None:
        """End them as soon as the executor says one of some words."""
        self.report.on_info = lambda message: self.end() if any(word in message for word in words) else None

    def orphan(self, *arguments, **facts) -> str:
        """Start an execution as an attempt that was killed did; return its name."""
        marker = Marker.of(self.execution(**facts))
        variables = [{"name": name, "value": value} for name, value in marker.environment.items()]
        override = {"args": list(arguments), "env": variables}
        request = {"name": self.job_name, "overrides": {"container_overrides": [override]}}
        return self.clients().run_jobs.run_job(request=request).metadata.name

    def run(self, *arguments, environment=None, execution=None, **options):
        command = StarlakeCommand(arguments[0] if arguments else "transform", arguments[1:], {}, environment or {})
        return self.executor(**options).run(command, execution or self.execution())


@pytest.fixture(scope="module")
def emulator() -> Iterator[GcpEmulator]:
    with GcpEmulator(command=COMMAND, speed=3000, grace=0.2) as gcp:
        yield gcp


@pytest.fixture
def gcp(emulator) -> Iterator[GcpEmulator]:
    emulator.add_job(JOB_NAME, max_retries=0)
    emulator.before = (len(emulator.executions), len(emulator.journal))
    yield emulator
    emulator.clear_faults()


@pytest.fixture
def bench(gcp, tmp_path) -> Bench:
    return Bench(gcp, folder=tmp_path)


@pytest.fixture
def put(bench):
    """Write an object of Cloud Storage."""

    def write(bucket, name, text="x"):
        storage = bench.clients().storage
        if not storage.bucket(bucket).exists():
            storage.create_bucket(bucket)
        storage.bucket(bucket).blob(name).upload_from_string(text)

    return write


@pytest.fixture
def executions(gcp):
    """Return the executions of this test."""
    return lambda: gcp.executions[gcp.before[0] :]


@pytest.fixture
def called(gcp):
    """Return the methods that this test called, in order."""
    return lambda: [call.method for call in gcp.journal[gcp.before[1] :]]


@pytest.fixture
def interrupt():
    """Send this process a signal at a time that the test chooses."""
    import signal

    handler = signal.getsignal(signal.SIGTERM)

    class Interruption(BaseException):
        pass

    def stop(number, frame):
        raise Interruption

    signal.signal(signal.SIGTERM, stop)
    main = threading.main_thread().ident

    class Interrupt:
        error = Interruption

        def __call__(self):
            signal.pthread_kill(main, signal.SIGTERM)

    yield Interrupt()
    signal.signal(signal.SIGTERM, handler)
