"""Runs the job of a shop whenever a line comes, and tells how it went: ``ROOT EXECUTOR``.

Two of these are the processes of two runs of one job at once.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import warnings
from pathlib import Path

from dagster import DagsterInstance, DependencyDefinition, GraphDefinition, In, JobDefinition, Nothing

TABLES = ("appended", "overwritten", "upserted", "versions", "partitioned")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def job(root: str, executor: str) -> JobDefinition:
    """Return the loads of all tables, one after the other."""
    from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
    from ai.starlake.dagster.shell import StarlakeDagsterShellJob

    shell = {"SL_STARLAKE_PATH": str(Path(sys.executable).with_name("starlake-embedded"))}
    options = {"sl_env_var": json.dumps({"SL_ROOT": root})}
    factory = StarlakeDagsterEmbeddedJob if executor == "embedded" else StarlakeDagsterShellJob
    sl_job = factory(options=options if executor == "embedded" else {**options, **shell})
    loads = [
        sl_job.sl_load(table, "shop", table, **({"ins": {"start": In(Nothing)}} if number else {}))
        for number, table in enumerate(TABLES)
    ]
    after = {later: {"start": DependencyDefinition(earlier)} for earlier, later in itertools.pairwise(TABLES)}
    return GraphDefinition(name="loads", node_defs=loads, dependencies=after).to_job()


def main(root: str, executor: str) -> None:
    """Answers each line with the failures of a run, as JSON; what ops print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    made = job(root, executor)
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        with DagsterInstance.ephemeral() as instance:
            result = made.execute_in_process(instance=instance, raise_on_error=False, run_config=_QUIET)
        failed = [event for event in result.all_events if event.is_step_failure]
        errors = [f"{event.step_key}: {event.step_failure_data.error_display_string[-400:]}" for event in failed]
        print(json.dumps(errors), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
