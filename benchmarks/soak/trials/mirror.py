"""Runs of another scheduler, mirrored while rows come, the daemon is killed, and ticks are repeated."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, DagsterRun

from benchmarks.soak.run_ticks import definitions
from benchmarks.soak.trial import DOUBLED, LOST, RED, Bench, Tally, Trial
from benchmarks.soak.write_audit import MESSAGE, TABLES, write
from tests.embedded.properties.shop import Shop

_ROOT = Path(__file__).resolve().parents[3]
_EVENTS_SHARE = 0.02
"""Share of the rows that are mirrored as events, which are written one by one."""
_HISTORY = 0.1
_OWN_RUNS = 20
_SAMPLE = 4
"""Runs of Dagster that are really run, of those that were asked for, at most: each takes seconds."""
_ROWS_OF_SAMPLE = 100
"""Rows for each of them, at least."""
_LONGEST_TICK = 60
"""Seconds that Dagster gives a tick."""


def _run(bench: Bench) -> None:
    by_events = max(50, round(bench.attempts * _EVENTS_SHARE))
    for mirror, rows in (("events", by_events), ("runs", bench.attempts - by_events)):
        if bench.in_time:
            _Mirroring(bench, mirror, rows).judge()


class _Mirroring:
    """A facade whose audit gets rows, and the process that ticks its sensor.

    Args:
        bench: The trial.
        mirror: Form in which runs are mirrored: ``runs`` or ``events``.
        rows: Number of rows that are added.
    """

    def __init__(self, bench: Bench, mirror: str, rows: int) -> None:
        self.bench, self.tally = bench, bench.tally
        self.mirror = mirror
        self.root = bench.folder / mirror
        self.choice = random.Random(rows)
        (self.root / "home").mkdir(parents=True)
        (self.root / "home/dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
        self.shop = _shop(self.root / "shop")
        self.database = self.shop.datasets / "duckdb.db"
        write(self.database, max(1, int(rows * _HISTORY)), [], self.choice, age=7200)
        self.began = datetime.now(timezone.utc) - timedelta(seconds=3000)
        with DagsterInstance.from_config(str(self.root / "home")) as instance:
            own = [DagsterRun(job_name="own") for _ in range(_OWN_RUNS)]
            for run in own:
                instance.add_run(run)
        self.own = {run.run_id for run in own}
        self._live(rows)

    def _live(self, rows: int) -> None:
        """Tick while rows arrive; the process of the ticks is killed and restarted repeatedly."""
        ticking = self._ticking()
        while not (self.root / "cursor").exists():
            time.sleep(0.05)
        command = [sys.executable, "-m", "benchmarks.soak.write_audit", str(self.database), str(rows), *self.own]
        writing = subprocess.Popen(command, cwd=_ROOT)
        while writing.poll() is None and self.bench.in_time:
            time.sleep(self.choice.uniform(2, 6))
            ticking.send_signal(signal.SIGKILL)
            ticking.wait()
            self.tally.add("kills of the process that ticks")
            ticking = self._ticking()
        writing.terminate()  # if there is no time for the rest
        writing.wait()
        (self.root / "complete").touch()
        ticking.wait()
        assert ticking.returncode == 0, "the process that ticks failed"

    def _ticking(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.soak.run_ticks", str(self.root), self.mirror]
        return subprocess.Popen(command, cwd=_ROOT, env={**os.environ, "SL_DAGSTER_CACHE": str(self.root)})

    def judge(self) -> None:
        """Each row that came, and is not of a run of this Dagster, is mirrored once; no other one is."""
        rows = self._rows()
        self.tally.tried += len(rows)
        wanted = Counter(row.digest for row in rows if row.job_id.partition(".")[0] not in self.own)
        ticks = list(_lines(self.root / "journal"))
        tally, of_mode = self.tally, f"with {self.mirror}"
        tally.add(f"rows mirrored {of_mode}", wanted.total())
        tally.add("ticks", len(ticks))
        for tick in ticks:
            tally.most(f"longest tick {of_mode}, seconds", tick["seconds"])
            tally.most("longest cursor, characters", tick["cursor"])
        tally.require(all(tick["seconds"] < _LONGEST_TICK for tick in ticks), RED, "a tick takes more than a minute")
        tally.add("rows of runs of this Dagster", len(rows) - wanted.total())
        found = self._requested(ticks) if self.mirror == "runs" else self._recorded()
        _compare(of_mode, wanted, found, tally)

    def _rows(self) -> list[Any]:
        from ai.starlake.project.audit import open_audit

        audit, until = open_audit(self.database), datetime.now(timezone.utc) + timedelta(hours=1)
        return [row for row in audit.rows(self.began, until, limit=10_000_000) if row.message == MESSAGE]

    def _requested(self, ticks: Iterable[dict[str, Any]]) -> Counter[str]:
        """Return the rows of the runs that were asked for; Dagster makes one run of each key. Some of them are run."""
        asked = {
            one["key"]: one for tick in ticks for one in tick["requests"] if one["job"].startswith("starlake_mirror")
        }
        rows = {key: _rows_of(one) for key, one in asked.items()}
        self.tally.add("runs of Dagster that were asked for", len(asked))
        sample = max(1, min(_SAMPLE, self.bench.attempts // _ROWS_OF_SAMPLE))
        self._execute([asked[key] for key in list(asked)[:: max(1, len(asked) // sample)]][:sample])
        return Counter(digest for digests in rows.values() for digest in digests)

    def _execute(self, requests: list[dict[str, Any]]) -> None:
        """Run some requests, twice each: what they record is what they were asked for, once."""
        made = definitions(self.root, "runs")
        wanted = Counter(digest for one in requests for digest in _rows_of(one))
        with DagsterInstance.from_config(str(self.root / "home")) as instance:
            for one in [*requests, *requests]:
                made.get_job_def(one["job"]).execute_in_process(
                    instance=instance, run_config=one["config"], tags=one["tags"], raise_on_error=False
                )
                self.tally.add("runs of Dagster that were run")
        _compare("in runs that were run", wanted, self._recorded(), self.tally)

    def _recorded(self) -> Counter[str]:
        """Return the rows that materializations record, or failed results of the check `last_run`."""
        found: Counter[str] = Counter()
        with DagsterInstance.from_config(str(self.root / "home")) as instance:
            for number in range(TABLES):
                key = AssetKey(["shop", f"t{number}"])
                filters = AssetRecordsFilter(key)
                made = instance.fetch_materializations(filters, limit=10_000).records
                found.update(_digests(record.asset_materialization.metadata for record in made))
                seen = instance.fetch_observations(filters, limit=10_000).records
                failures = [record.asset_observation.metadata for record in seen]
                failures += [result.metadata for result in _results(instance, key) if not result.passed]
                found.update(_digests(each for each in failures if each["starlake/status"].value != "success"))
        return found


def _results(instance: DagsterInstance, key: AssetKey) -> list[Any]:
    from dagster import AssetCheckKey

    history = instance.event_log_storage.get_asset_check_execution_history(AssetCheckKey(key, "last_run"), limit=10_000)
    return [record.event.dagster_event.event_specific_data for record in history if record.event is not None]


def _digests(all_metadata: Iterable[Any]) -> Iterator[str]:
    for metadata in all_metadata:
        yield from metadata["starlake/audit_rows"].value.split(",")


def _rows_of(request: dict[str, Any]) -> list[str]:
    ((_, op),) = request["config"]["ops"].items()
    return op["config"]["rows"]


def _compare(what: str, wanted: Counter[str], found: Counter[str], tally: Tally) -> None:
    missing, more = wanted - found, found - wanted
    for kind, difference in ((LOST, missing), (DOUBLED, more)):
        if difference:
            tally.defect(kind, f"{difference.total()} of {wanted.total()} rows {what}", difference.total())


def _shop(root: Path) -> Shop:
    shop = Shop(root)
    for number in range(TABLES):
        shop.table(f"t{number}", [{"name": "id", "type": "long"}], {"separator": ","})
    shop.put("t0-1.csv", "id\n1\n")
    assert not shop.load().failures  # makes the audit
    return shop


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text("utf-8").splitlines():
        with suppress(ValueError):  # one of a process that was killed just then
            yield json.loads(line)


TRIAL = Trial(
    title="The mirror of a facade",
    text="""\
Another process writes rows into the audit of a DuckDB file, some of them 15 minutes late, a tenth of them of runs that
this Dagster started; as many as a tenth of all were there before. The sensor of a facade ticks in a process of its own,
which is killed every few seconds and started again; one in ten of its cursors is not kept. Most rows are mirrored with
`mirror="runs"`: the runs that are asked for must have each row once, and a few of them are run, twice each, to see
what they record. The rest are mirrored with `mirror="events"`, and counted by what Dagster has on record. An attempt is
a row. A mode that no figure below names was not tried in this run, for lack of time.""",
    attempts=100_000,
    few=150,
    seconds=180,
    run=_run,
)
