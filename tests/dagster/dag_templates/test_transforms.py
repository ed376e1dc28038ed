"""Generated files that transform: started by data, by the clock or after their loads, whatever their size."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import DagsterInstance

from tests.dagster.dag_templates.machinery import imported, run, validated
from tests.fakes.fake_cli import FakeStarlake
from tests.fakes.shops import Layers

KINDS = ("data", "cron", "first")
SIZES = ((1, 1), (3, 3), (3, 7), (10, 10))
PLACES = ("shell", "cloud_run", "dataproc")
QUICK_TO_READ = {("shell", 1, 1), ("shell", 3, 3), ("shell", 3, 7), ("cloud_run", 10, 10), ("dataproc", 10, 10)}
QUICK_TO_RUN = {("shell", 1, 1), ("shell", 3, 3)}


def cells(quick: set[tuple[str, int, int]]) -> list[Any]:
    """Return the matrix: place, what starts the job, width and depth. `make test` runs those of `quick` only."""
    matrix = itertools.product(PLACES, KINDS, SIZES)
    return [
        pytest.param(place, kind, *size, marks=() if (place, *size) in quick else pytest.mark.slow)
        for place, kind, size in matrix
    ]


@pytest.mark.parametrize(("place", "kind", "width", "depth"), cells(QUICK_TO_READ))
def test_each_file_is_valid_and_starts_as_configured(
    place: str, kind: str, width: int, depth: int, tmp_path: Path
) -> None:
    with imported(Layers(tmp_path, place, width, depth).transforms(kind)) as module:
        definitions = validated(module).get_repository_def()
    assert [schedule.cron_schedule for schedule in definitions.schedule_defs] == (
        ["0 6 * * *"] if kind == "cron" else []
    )
    waiting = [sensor.name for sensor in definitions.sensor_defs if "janitor" not in sensor.name]
    assert waiting == (["tower_sensor"] if kind == "data" else [])
    names = {node.name for node in definitions.get_job("tower").nodes}
    assert {name for name in names if name.endswith("_task")} == {
        f"tower_t{level}_{number}_task" for level in range(depth) for number in range(width)
    }
    assert ("earth_ground_table" in names) is (kind == "first")


@pytest.mark.parametrize(("place", "kind", "width", "depth"), cells(QUICK_TO_RUN))
def test_each_task_runs_once_after_all_that_it_reads(
    place: str,
    kind: str,
    width: int,
    depth: int,
    tmp_path: Path,
    options: Callable[[str], dict[str, str]],
    fake: FakeStarlake,
    instance: DagsterInstance,
) -> None:
    layers = Layers(tmp_path, place, width, depth, options(place))
    layers.deliver()
    with imported(layers.transforms(kind)) as module:
        run(module, "tower", instance)
    names = [call.value_of("--name") for call in fake.calls("transform")]
    done = 0
    for layer in layers.layers:
        assert set(names[done : done + width]) == set(layer)
        done += width
    assert done == len(names)
    verbs = [call.verb for call in fake.calls()]
    assert verbs[: verbs.index("transform")] == (["load"] if kind == "first" else [])
    for call in fake.calls("transform"):
        assert ("sl_data_interval_start" in call.options) is (kind == "cron")


@pytest.mark.parametrize(("width", "depth"), [(3, 3), pytest.param(10, 10, marks=pytest.mark.slow)])
def test_the_tower_stands(width: int, depth: int, tmp_path: Path, instance: DagsterInstance) -> None:
    """On the embedded engine: each task adds one to the highest number below it, from 2 in the table."""
    layers = Layers(tmp_path, "embedded", width, depth)
    layers.deliver()
    with imported(layers.transforms("first")) as module:
        run(module, "tower", instance)
    with duckdb.connect(str(tmp_path / "datasets" / "duckdb.db"), read_only=True) as connection:
        highest = {
            name: connection.execute(f"SELECT max(id) FROM {name}").fetchall()[0][0]
            for layer in layers.layers
            for name in layer
        }
    assert highest == {name: level + 3 for level, layer in enumerate(layers.layers) for name in layer}
