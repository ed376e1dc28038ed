"""Files that arrange the tasks of their pipelines themselves, as the templates of Starlake do.

What runs is the same as with the files that the templates of this project write, which leave that to the library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster import OpDefinition

from tests.dagster.dag_templates.machinery import imported, validated

ARRANGED = Path(__file__).parent / "arranged_in_files"
GENERATED = Path(__file__).resolve().parents[3] / "samples" / "generated"
NAMES = sorted(file.name for file in ARRANGED.glob("*.py"))


def described(file: Path) -> dict[str, Any]:
    """Return the definitions of a file: its steps and their order, its triggers, and its ops."""
    with imported(file) as module:
        definitions = validated(module)
        jobs = [job for job in definitions.get_repository_def().get_all_jobs() if not job.name.startswith("__")]
        return {
            "graphs": [pipeline.runs.graph() for pipeline in module.pipelines],
            "summaries": [pipeline.runs.summary() for pipeline in module.pipelines],
            "jobs": {
                job.name: (
                    job.description,
                    dict(job.tags),
                    {
                        op.name: (op.description, dict(op.tags), op.pool, set(op.output_dict))
                        for op in job.all_node_defs
                        if isinstance(op, OpDefinition)
                    },
                )
                for job in jobs
            },
            "schedules": sorted(schedule.name for schedule in definitions.schedules or ()),
            "sensors": sorted(sensor.name for sensor in definitions.sensors or ()),
        }


@pytest.mark.parametrize("name", NAMES)
def test_it_defines_what_the_generated_file_does(name: str) -> None:
    arranged, generated = described(ARRANGED / name), described(GENERATED / name)
    assert arranged == generated
    assert arranged["graphs"][0].edges


def test_there_is_one_that_loads_and_one_that_transforms() -> None:
    assert NAMES == ["starbake_load_shell.py", "starbake_transform_shell.py"]
