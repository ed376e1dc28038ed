"""Runs the job of a sample DAG file in the Dagster instance of DAGSTER_HOME, on the multiprocess executor.

    python samples/execute.py starbake [--tag name=value]

Dagster's own `dagster job execute` does the same. This one starts faster: each step process imports the main module of
its parent anew, and forks from a server that has imported Dagster, instead of beginning from nothing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

# What a step process imports before it begins: Dagster, and what Dagster's storage is made of.
PRELOADED = ["ai.starlake.dagster.shell", "alembic.command", "sqlalchemy", "structlog", "upath", "watchdog.observers"]
RUN_CONFIG: dict[str, Any] = {
    "execution": {"config": {"multiprocess": {"start_method": {"forkserver": {"preload_modules": PRELOADED}}}}}
}


def execute(job: str, tags: dict[str, str]) -> bool:
    """Runs the job named as its file in samples/dags.

    Returns:
        Whether it succeeded.
    """
    from dagster import DagsterInstance, execute_job, reconstructable

    os.chdir(Path(__file__).resolve().parent / "dags")  # from where the step processes import it
    sys.path.insert(0, str(Path.cwd()))
    definition = getattr(importlib.import_module(job), job)
    with (
        DagsterInstance.get() as instance,
        execute_job(reconstructable(definition), instance, run_config=RUN_CONFIG, tags=tags) as result,
    ):
        return result.success


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", help="the name of a file in samples/dags, which is that of its job")
    parser.add_argument("--tag", action="append", default=[], help="a tag of the run, as name=value")
    given = parser.parse_args()
    return 0 if execute(given.job, dict(tag.split("=", 1) for tag in given.tag)) else 1


if __name__ == "__main__":
    sys.exit(main())
