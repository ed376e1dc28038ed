"""Generated files name the compute profiles of the project, where the DAG configuration has profiles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagster import DagsterInstance

from ai.starlake.job.compute_choices import COMPUTE_TAG
from tests.dagster.dag_templates.machinery import imported, run
from tests.fakes.shops import Bakery, Layers

COMPUTE = json.dumps({"small": {"process": {"nice": 1}}, "large": {"process": {"cpu_seconds": 300}}})


def tags_of(module: Any) -> dict[str, str]:
    """Return the profile of each op that has one."""
    repository = module.defs.get_repository_def()
    nodes = [node for job in repository.get_all_jobs() for node in job.all_node_defs]
    return {node.name: node.tags[COMPUTE_TAG] for node in nodes if COMPUTE_TAG in (node.tags or {})}


def with_profile(bakery: Bakery, table: str, profile: str) -> None:
    file = bakery.root / f"metadata/load/starbake/{table}.sl.yml"
    file.write_text(file.read_text("utf-8").replace("  metadata:\n", f"  metadata:\n    compute: {profile}\n"), "utf-8")


def test_a_file_of_loads_has_the_profiles_of_its_tables(
    tmp_path: Path, options: Callable[[str], dict[str, str]], instance: DagsterInstance
) -> None:
    bakery = Bakery(
        tmp_path / "starbake", "shell", {**options("shell"), "compute": COMPUTE, "compute_profile": "small"}
    )
    with_profile(bakery, "Orders", "large")
    bakery.deliver("none")
    with imported(bakery.loads("none", 0)) as module:
        tags = tags_of(module)
        (large,) = [name for name, profile in tags.items() if profile == "large"]
        assert large.endswith("__load_starbake_Orders")
        assert set(tags.values()) == {"small", "large"}
        result = run(module, "starbake_load", instance)
    made = {event.asset_key.path[-1]: event.materialization for event in result.get_asset_materialization_events()}
    found = {name: each.metadata[COMPUTE_TAG].value for name, each in made.items() if COMPUTE_TAG in each.metadata}
    assert found["starbake_Orders"] == "large"
    assert set(found.values()) == {"small", "large"}


def test_a_file_whose_configuration_has_no_profiles_is_as_before(
    tmp_path: Path, options: Callable[[str], dict[str, str]]
) -> None:
    bakery = Bakery(tmp_path / "starbake", "shell", options("shell"))
    before = bakery.loads("none", 0).read_text("utf-8")
    with_profile(bakery, "Orders", "large")
    assert bakery.loads("none", 0).read_text("utf-8") == before


def test_a_file_of_tasks_has_theirs(tmp_path: Path, options: Callable[[str], dict[str, str]]) -> None:
    layers = Layers(tmp_path / "layers", "shell", 2, 1, {**options("shell"), "compute": COMPUTE})
    layers.write("transform/tower/t0_1.sl.yml", "version: 1\ntask: {compute: large}")
    with imported(layers.transforms("data")) as module:
        assert set(tags_of(module).values()) == {"large"}
        assert len(tags_of(module)) == 1
