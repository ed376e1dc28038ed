"""Ticks the sensor of a facade as Dagster's daemon does, until it is killed, or all is mirrored: ``ROOT MIRROR``.

What it does is in files: each tick with its requests is a line of ``journal``; the cursor is kept after that. Now and
then it isn't, as if the daemon had died in between.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, Definitions, build_sensor_context

_QUIET_TICKS = 6
"""Ticks that find nothing, after which all is mirrored."""
_FORGOTTEN = 0.1


def definitions(root: Path, mirror: str) -> Definitions:
    """Return the definitions of the facade."""
    from ai.starlake.dagster import StarlakeDagsterFacade

    facade = StarlakeDagsterFacade(root / "shop", root / "shop/datasets/duckdb.db", settle_seconds=1)
    return facade.create_definitions("soak", mirror=mirror)  # type: ignore[arg-type]


def main(root: Path, mirror: str) -> None:
    """Ticks."""
    warnings.simplefilter("ignore")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    made = definitions(root, mirror)
    repository, (sensor,) = made.get_repository_def(), made.sensors
    choice, quiet = random.Random(), 0
    cursor_file = root / "cursor"
    with (
        DagsterInstance.from_config(str(root / "home")) as instance,
        (root / "journal").open("a", encoding="utf-8") as journal,
    ):
        while quiet < _QUIET_TICKS or not (root / "complete").exists():
            cursor = cursor_file.read_text("utf-8") if cursor_file.exists() else None
            begin = time.monotonic()
            context = build_sensor_context(instance=instance, cursor=cursor, repository_def=repository)
            result = sensor.evaluate_tick(context)
            seconds = time.monotonic() - begin
            for event in result.asset_events:
                instance.report_runless_asset_event(event)
            requests = [_written(request) for request in result.run_requests or []]
            line = {
                "seconds": seconds,
                "all_seconds": time.monotonic() - begin,
                "cursor": len(result.cursor or ""),
                "requests": requests,
                "events": len(result.asset_events),
                "skipped": result.skip_message,
            }
            journal.write(json.dumps(line) + "\n")
            journal.flush()
            if cursor is None or choice.random() > _FORGOTTEN:
                _keep(cursor_file, result.cursor or "")
            found = bool(requests or result.asset_events) or "write" in (result.skip_message or "")
            quiet = 0 if found else quiet + 1
            time.sleep(0.3 if not found else 0)


def _written(request: Any) -> Mapping[str, Any]:
    return {
        "key": request.run_key,
        "job": request.job_name,
        "config": request.run_config,
        "tags": dict(request.tags),
    }


def _keep(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
