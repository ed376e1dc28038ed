"""Writes samples/generated anew: the DAG files of the sample project, once for each place where its commands may run.

    python samples/regenerate.py

One call of `starlake-dagster generate` makes those of one place, the one that dagRef in metadata/application.sl.yml
names; SL_DAG_REF_LOAD and SL_DAG_REF_TRANSFORM name another.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ai.starlake.project import Project
from ai.starlake.project.dag_generation import DagFile, GeneratedFolder, generate

SAMPLES = Path(__file__).resolve().parent
PLACES = ("shell", "embedded", "cloud_run", "dataproc")


def render() -> list[DagFile]:
    """The files, sorted by place and name."""
    files: list[DagFile] = []
    for place in PLACES:
        refs = {"SL_DAG_REF_LOAD": f"load_{place}", "SL_DAG_REF_TRANSFORM": f"transform_{place}"}
        files += generate(Project.read(SAMPLES / "starbake", environment=refs))
    return files


def main() -> int:
    """Writes the files."""
    output = GeneratedFolder(SAMPLES / "generated")
    output.carry_out(output.plan(render(), clean=True, force=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
