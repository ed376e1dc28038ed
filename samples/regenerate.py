"""Regenerate samples/generated and samples/airflow/generated: the DAG files of the sample project.

    python samples/regenerate.py

Those of Dagster are made once for each place where commands may run, those of Airflow for the embedded engine. One
call of `starlake-dagster generate` or `starlake-airflow generate` makes those that dagRef in
metadata/application.sl.yml names; SL_DAG_REF_LOAD and SL_DAG_REF_TRANSFORM name others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from ai.starlake.project import Project
from ai.starlake.project.dag_generation import DagFile, GeneratedFolder, generate

SAMPLES = Path(__file__).resolve().parent
PLACES = ("shell", "embedded", "cloud_run", "dataproc")
FOLDERS = {"generated": PLACES, "airflow/generated": ("airflow",)}


def render(places: Iterable[str] = PLACES) -> list[DagFile]:
    """Return the files, sorted by place and name."""
    files: list[DagFile] = []
    for place in places:
        refs = {"SL_DAG_REF_LOAD": f"load_{place}", "SL_DAG_REF_TRANSFORM": f"transform_{place}"}
        files += generate(Project.read(SAMPLES / "starbake", environment=refs))
    return files


def main() -> int:
    """Write the files."""
    for folder, places in FOLDERS.items():
        output = GeneratedFolder(SAMPLES / folder)
        output.carry_out(output.plan(render(places), clean=True, force=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
