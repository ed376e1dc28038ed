"""Configs of runs whose steps cost less than Dagster's default, a new Python for each with seconds of imports.

Tests whose point is how steps begin and end, such as those of signals, keep the default. Those that need steps in other
processes let them be copies of one that has imported what all of them need; those that do not take IN_PROCESS.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

IN_PROCESS = {"execution": {"config": {"in_process": {}}}}
"""The steps run in the process of their run."""

# What a step process imports before it begins: Dagster, and what its storage is made of.
PRELOADED = ("ai.starlake.dagster", "alembic.command", "sqlalchemy", "structlog", "upath", "watchdog.observers")


def forked_steps(*more: str) -> dict[str, Any]:
    """Return the config of a run by Dagster's default executor: two steps at a time.

    Args:
        *more: Modules that these steps import, too.
    """
    method = {"forkserver": {"preload_modules": [*PRELOADED, *more]}}
    return {"execution": {"config": {"multiprocess": {"start_method": method, "max_concurrent": 2}}}}


def config_file(folder: Path, *more: str) -> Path:
    """Write that config into a folder, for the option `-c` of Dagster's commands."""
    file = folder / "forked_steps.yaml"
    file.write_text(json.dumps(forked_steps(*more)), encoding="utf-8")
    return file
