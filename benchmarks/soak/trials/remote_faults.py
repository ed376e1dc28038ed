"""Commands on Cloud Run and on Dataproc while calls to Google fail, time out, and lose their answers."""

from __future__ import annotations

import itertools
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import tenacity

from ai.starlake.common import StarlakeError
from ai.starlake.executor import CommandFailedError, StarlakeExecutor
from ai.starlake.job import StarlakeCommand
from benchmarks.soak.trial import DOUBLED, GREEN, LEAKED, LOST, RED, Bench, Tally, Trial, until
from starlake_gcp_emulator import GcpEmulator
from tests.gcp.cloud_run.conftest import JOB_NAME
from tests.gcp.cloud_run.conftest import Bench as CloudRunBench
from tests.gcp.dataproc.conftest import Bench as DataprocBench

_CODES = ("UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "UNKNOWN", "CANCELLED")
_CLOUD_RUN = ("RunJob", "GetExecution", "ListExecutions", "CancelExecution")
_DATAPROC = (
    "CreateCluster",
    "GetCluster",
    "GetOperation",
    "DeleteCluster",
    "SubmitJob",
    "JobController.GetJob",
    "ListJobs",
)
_ON_A_CLUSTER = 5
"""Commands of a run on Dataproc, which share a cluster."""
_RETRIES = 12
_OVER = {"SUCCEEDED", "FAILED", "CANCELLED", "DONE", "ERROR"}

_DRIVER = [
    "/bin/sh",
    "-c",
    """
    mkdir "$MY_FOLDER/$4" 2>/dev/null || echo "$4" >> "$MY_FOLDER/overlaps"
    test "$5" = 0 && echo "$4" >> "$MY_FOLDER/done"
    rmdir "$MY_FOLDER/$4" 2>/dev/null
    exit "$5"
    """,
    "driver",
]
"""Script in place of Starlake: it records its work, and concurrent work on the same table."""


class _Weather:
    """Faults of Google, and the records of the commands.

    Args:
        bench: The trial.
        gcp: The emulator.
    """

    def __init__(self, bench: Bench, gcp: GcpEmulator) -> None:
        self.tally: Tally = bench.tally
        self.gcp = gcp
        self.folder = bench.folder
        self.choice = random.Random(bench.attempts)

    def change(self, methods: tuple[str, ...]) -> None:
        """Orders faults: before a call takes effect, or of its answer; and answers that come late."""
        self.gcp.clear_faults()
        for method in methods:
            for _ in range(self.choice.randrange(3)):
                code, when = self.choice.choice(_CODES), self.choice.choice(("before", "after"))
                self.gcp.fault(method, code, when=when, count=self.choice.randint(1, 3))
            if self.choice.random() < 0.05:
                self.gcp.fault(method, "OK", when="after", delay=0.2)

    def notes(self, name: str) -> Counter[str]:
        """Return the notes of the commands, by command."""
        file = self.folder / name
        return Counter(file.read_text("utf-8").split() if file.exists() else [])

    def persist(self, act: Callable[[int], Any]) -> tuple[str, object]:
        """Try again what an outage ended, as Dagster does; return how it ended."""
        attempts = itertools.count()
        retries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StarlakeError)
            & tenacity.retry_if_not_exception_type(CommandFailedError),
            stop=tenacity.stop_after_attempt(_RETRIES),
            after=lambda _: self.tally.add("attempts that an outage ended, and that were retried"),
            reraise=True,
        )
        try:
            return "success", retries(lambda: act(next(attempts)))
        except CommandFailedError as error:
            return "failure", error
        except StarlakeError as error:
            return "gave up", error

    def judge(self, key: str, code: int, ended: tuple[str, object]) -> None:
        """Compare what was reported with what was done."""
        how, what = ended
        done = self.notes("done")[key]
        self.tally.require(done < 2, DOUBLED, f"{key} did its work {done} times")
        self.tally.require(done == 1 or code, LOST, f"{key} did not do its work: {how}, {what}")
        self.tally.require(how != "success" or not code, GREEN, f"{key} ended with {code}, and {what} was reported")
        self.tally.require(how == "success" or code, RED, f"{key} did its work, and was reported as {how}: {what}")
        self.tally.require(how != "gave up", RED, f"{key}: {what}")


def _run(bench: Bench) -> None:
    with GcpEmulator(command=_DRIVER, speed=3000, grace=5) as gcp:
        gcp.add_job(JOB_NAME, max_retries=0)
        weather = _Weather(bench, gcp)
        for batch in bench.batches(2 * _ON_A_CLUSTER):
            _on_cloud_run(weather, batch[::2])
            _on_dataproc(weather, batch[1::2])
        _end(weather)


def _command(weather: _Weather, key: str, code: int) -> StarlakeCommand:
    environment = {"SL_ROOT": "/p", "MY_FOLDER": str(weather.folder)}
    return StarlakeCommand("transform", ("--name", "kpi.sums", key, str(code)), environment=environment)


def _on_cloud_run(weather: _Weather, numbers: list[int]) -> None:
    bench = CloudRunBench(weather.gcp, {"outage_tolerance": 0.2, "cloud_run_log_wait": 0.0})
    for number in numbers:
        bench.fresh()
        weather.change(_CLOUD_RUN)
        key, code = f"run-{number}", weather.choice.choice((0, 0, 3))
        _execute(weather, bench, bench.executor(), (key, code))


def _execute(weather: _Weather, bench: Any, executor: StarlakeExecutor, what: tuple[str, int], **facts: Any) -> None:
    key, code = what
    command = _command(weather, key, code)
    ended = weather.persist(lambda attempt: executor.run(command, bench.execution(step=key, attempt=attempt, **facts)))
    weather.judge(key, code, ended)


def _on_dataproc(weather: _Weather, numbers: list[int]) -> None:
    """Make a cluster for a run, run its commands two at a time, and delete the cluster."""
    bench = DataprocBench(weather.gcp, options={"outage_tolerance": 0.2})
    run_id = str(uuid.UUID(int=weather.choice.getrandbits(128), version=4))
    weather.change(_DATAPROC)
    made = weather.persist(lambda attempt: bench.executor().ensure(bench.execution(run_id, "create", attempt=attempt)))
    weather.tally.require(made[0] == "success", RED, f"the cluster of {run_id}: {made[1]}")

    def work(mine: list[int]) -> None:
        for number in mine:
            what = (f"spark-{number}", codes[number])
            _execute(weather, bench, bench.executor(), what, run_id=run_id)

    codes = {number: weather.choice.choice((0, 0, 3)) for number in numbers}
    threads = [threading.Thread(target=work, args=(numbers[part::2],)) for part in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deleted = weather.persist(
        lambda attempt: bench.executor().delete(bench.execution(run_id, "delete", attempt=attempt))
    )
    weather.tally.require(deleted[0] == "success", RED, f"the cluster of {run_id} is not deleted: {deleted[1]}")


def _end(weather: _Weather) -> None:
    """Count what is left, and what the trial consisted of."""
    gcp, tally = weather.gcp, weather.tally
    gcp.clear_faults()
    until(lambda: not gcp.clusters, 20)
    for cluster in gcp.clusters:
        tally.defect(LEAKED, f"cluster {cluster}")
    for work in [*gcp.spark_jobs, *gcp.executions]:
        tally.require(work.state in _OVER, LEAKED, f"{work.name} is {work.state}")
    for key, number in weather.notes("overlaps").items():
        tally.defect(DOUBLED, f"{key} ran twice at once", number)
    calls = list(gcp.journal)
    tally.add("calls to Google", len(calls))
    tally.add("of these with an injected fault", sum(call.injected for call in calls))
    tally.add("clusters", len(gcp.all_clusters))


TRIAL = Trial(
    title="Remote commands under faults",
    text="""\
Commands on Cloud Run and on Dataproc, half of each, through the executors as ops use them, against the emulator. Calls
fail before they take effect, time out, or take effect and lose their answer; some answers come late. Each command notes
its work, and a third of them ends with an exit code. Attempts that an outage ended are retried, as Dagster does. In the
end no cluster, Spark job or execution may be left.""",
    attempts=1000,
    few=10,
    seconds=130,
    run=_run,
)
