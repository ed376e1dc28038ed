"""A project's own parts of generated files: options of single tables and transforms, hooks, whole blocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from dagster import DagsterInstance

from starlake_gcp_emulator import GcpEmulator
from tests.dagster.dag_templates.machinery import imported, run, validated
from tests.fakes.fake_cli import FakeStarlake
from tests.fakes.shops import Bakery, Layers

PLACE_OF_OWN_PARTS = "dags/templates/dagster/own.py.j2"


def test_options_of_single_transforms_and_tables(
    tmp_path: Path, options: Callable[[str], dict[str, str]], fake: FakeStarlake, instance: DagsterInstance
) -> None:
    layers = Layers(tmp_path, "shell", 1, 2, options("shell"))
    jobs = '\njobs = {"tower.t1_0": {"options": "colour=red"}, "earth.ground": {"options": {"depth": "3"}}}\n'
    layers.write(PLACE_OF_OWN_PARTS, jobs)
    layers.deliver()
    with imported(layers.transforms("first")) as module:
        run(module, "tower", instance)
    plain, coloured = fake.calls("transform")
    assert coloured.options["colour"] == "red"
    assert "colour" not in plain.options
    assert [call.options.get("depth") for call in fake.calls("load")] == ["3"]


def test_the_hook_for_spark_says_what_each_load_may_use(
    tmp_path: Path, options: Callable[[str], dict[str, str]], gcp: GcpEmulator, instance: DagsterInstance
) -> None:
    bakery = Bakery(tmp_path / "starbake", "dataproc", options("dataproc"))
    hook = """
from ai.starlake.job import StarlakeSparkConfig


def get_spark_config(name, **properties):
    return StarlakeSparkConfig(memory="20g" if name == "starbake.orders" else "2g", cores=1, instances=1, **properties)
"""
    bakery.write(PLACE_OF_OWN_PARTS, hook)
    before = len(gcp.spark_jobs)
    with imported(bakery.loads("none", 0)) as module:
        run(module, "starbake_load", instance)
    requests = [call.request for call in gcp.calls("SubmitJob")][before:]
    memory = {
        job["args"][job["args"].index("--tables") + 1]: job["properties"]["spark.executor.memory"]
        for job in (request["job"]["spark_job"] for request in requests)
    }
    assert memory == {"Customers": "2g", "Ingredients": "2g", "Orders": "20g", "Products": "2g"}


def test_a_block_of_a_template_can_be_replaced(tmp_path: Path) -> None:
    layers = Layers(tmp_path, "shell", 1, 1)
    template = "transform/dagster__scheduled_task__shell.py.j2"
    text = (
        '{% set environment = "SHELL" -%}\n{% extends "dagster/transform.py.j2" %}\n'
        "{%- block pipelines %}{{ super() }}\n"
        'defs = defs.__class__.merge(defs, defs.__class__(metadata={"team": "bakers"}))\n{% endblock %}\n'
    )
    layers.write(f"dags/templates/{template}", text)
    with imported(layers.transforms("data")) as module:
        assert validated(module).metadata["team"].value == "bakers"


def test_names_that_dagster_does_not_know_how_to_write(tmp_path: Path) -> None:
    layers = Layers(tmp_path, "shell", 1, 1)
    for domain, table in (("my-domain", "it's"), ("données", "a.b"), ("start", "end"), ("x", "load_x")):
        definition = {"name": table, "pattern": "a", "attributes": [{"name": "id"}]}
        layers.write(f"load/{domain}/{table}.sl.yml", json.dumps({"version": 1, "table": definition}))
    layers.configure("load", "1st dag of sales.v2.py", pre_load_strategy="pending")
    with imported(layers.generate()) as module:
        (job,) = [job for job in validated(module).get_repository_def().get_all_jobs() if not job.name.startswith("__")]
    names = {handle.name for handle in job.graph.iterate_node_handles()}
    assert job.name == "1st_dag_of_sales_v2"
    assert {"load_my_domain_it_s", "load_donnees_a_b", "load_start_end", "load_x_load_x"} <= names
