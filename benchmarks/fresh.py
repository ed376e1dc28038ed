"""Runs a probe in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def probe(name: str, *arguments: object) -> dict[str, Any]:
    """Run ``python -m benchmarks.probes.{name}`` and read the JSON object that it prints last.

    Nothing of the caller's Dagster or Starlake set-up leaks into it.

    Raises:
        RuntimeError: If it fails.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("SL_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.probes.{name}", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"probe {name} {arguments} failed:\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
