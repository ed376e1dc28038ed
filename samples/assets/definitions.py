"""The sample bakery as assets, with a job that makes all of them: what `make demo` runs and `make ui` shows.

SL_ROOT=/path/to/a/copy/of/samples/starbake dagster dev -f samples/assets/definitions.py
"""

import os
from pathlib import Path

from dagster import AssetSelection, Definitions, define_asset_job

from ai.starlake.dagster import build_starlake_definitions

project = os.environ.get("SL_ROOT") or Path(__file__).resolve().parent.parent / "starbake"
everything = define_asset_job("starbake", AssetSelection.all(), description="Loads all tables and runs all transforms")
defs = Definitions.merge(build_starlake_definitions(project, name="bakery"), Definitions(jobs=[everything]))
