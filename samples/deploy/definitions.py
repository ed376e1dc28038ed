"""The code location: the assets of the project in `SL_ROOT`, and its schedules, running from the start."""

import os

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob

sl_job = StarlakeDagsterEmbeddedJob(options={"retries": 2, "default_status": "running"})
defs = build_starlake_definitions(os.environ["SL_ROOT"], sl_job, name="bakery")
