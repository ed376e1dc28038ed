"""Takes the pictures of the sample's facade, after two nights of another scheduler; `pictures.py` calls this."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from asset_pictures import View
from facade.nightly import deliver, night, prepare

DEFINITIONS = Path(__file__).resolve().parent / "facade" / "definitions.py"
RUNS = "{ runsOrError { ... on Runs { results { runId jobName status } } } }"
PATIENCE = 300
ENDED = ("SUCCESS", "FAILURE")
_STEPS_ALONE = (
    "button:left-of(:text('Re-execute all'))",  # without the log
    "button:left-of(:text('Hide not started steps')) >> nth=2",  # each step as long as its name
    ":text('Succeeded (')",
)


def play_a_night(folder: Path, day: str, broken: str | None = None) -> None:
    """Deliver what the shops sent on a day, and run the commands of the night."""
    project = folder / "starbake"
    prepare(project)
    deliver(project, day, broken)
    night(project, f"nightly-{day}")


def run_of(address: str, job: str) -> str:
    """Return the id of the last run of a job when it has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = [run for run in _ask(address, RUNS)["runsOrError"]["results"] if run["jobName"] == job]
        if found and found[0]["status"] in ENDED:
            return str(found[0]["runId"])
        time.sleep(1)
    raise SystemExit(f"no run of {job} ended within {PATIENCE} seconds")


def views(run_id: str) -> tuple[View, ...]:
    """Return the pages of a mirrored run, of what it made of an asset, and of the check of one that failed."""
    return (
        View("facade_run", f"/runs/{run_id}", "outcome[starbake__Products]", 720, _STEPS_ALONE),
        View("facade_asset", "/assets/starbake/Orders?view=events", "starlake/outside_run", 1130),
        View("facade_check", "/assets/starbake/Products?view=checks&checkDetail=last_run", "starlake/log", 1000),
    )


def _ask(address: str, query: str) -> Any:
    request = urllib.request.Request(
        f"{address}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["data"]
