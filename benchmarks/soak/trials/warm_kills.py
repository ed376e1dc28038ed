"""Runs of warm servers, a process of each of which is killed at some time."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.soak.trial import GREEN, LEAKED, LOST, RED, Bench, Tally, Trial
from tests.executor.warm.fake_starlake import install_fake_starlake
from tests.executor.warm.warm_runs import WarmRuns


def _run(bench: Bench) -> None:
    chosen = random.Random(bench.attempts)
    fake = install_fake_starlake(bench.folder / "fake")
    (bench.folder / "location").mkdir()
    with WarmRuns.started(bench.folder / "location", fake) as runs:
        for _ in bench.numbers():
            runs.deliver()
            what = runs.kill_by_chance(chosen)
            bench.tally.add("kills that met nothing", what.startswith("0 "))
            bench.tally.add("runs that succeeded all the same", what.endswith("exit code 0"))
            for left in runs.left(runs.processes):
                bench.tally.defect(LEAKED, f"{left} after {what}")
            _hold(bench.tally, LOST, what, runs.assert_no_file_is_lost)
            _hold(bench.tally, GREEN, what, runs.assert_nothing_is_told_that_is_not)
        _hold(bench.tally, RED, "the next run", lambda: runs.assert_loaded_by_another_run(exactly=False))


def _hold(tally: Tally, kind: str, what: str, check: Callable[[], None]) -> None:
    try:
        check()
    except AssertionError as error:
        tally.defect(kind, f"{what}: {error}")


TRIAL = Trial(
    title="Kills of warm runs",
    text="""\
Runs whose commands share a warm server load two files, one after the other, with Dagster's multiprocess executor and in
process, some with a retry. The process of the run, of a step, of the server or of its guard is killed (SIGKILL), up to
half a second after the start, or after one of the two loads or what stands between them began. The server is a real
Java virtual machine that runs what stands for Starlake. No process may be left, each file must be in one area, no load
may be told as done that is not, and none may be begun twice. The next run loads what is left.""",
    attempts=40,
    few=3,
    seconds=240,
    run=_run,
)
