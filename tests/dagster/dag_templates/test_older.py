"""Files that earlier versions of the templates generated: they arrange the tasks of their pipelines themselves.

`older` holds the files of the sample project as they were then. What runs is the same as with a file of today.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster import OpDefinition

from tests.dagster.dag_templates.machinery import imported, validated

OLDER = Path(__file__).parent / "older"
TODAY = Path(__file__).resolve().parents[3] / "samples" / "generated"
NAMES = sorted(file.name for file in OLDER.glob("*.py"))


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
def test_an_older_file_defines_what_the_file_of_today_does(name: str) -> None:
    older, today = described(OLDER / name), described(TODAY / name)
    assert older == today
    assert older["graphs"][0].edges


def test_there_is_an_older_file_for_each_of_today() -> None:
    assert sorted(file.name for file in TODAY.glob("*.py")) == NAMES
