"""Runs of Dagster whose commands share a Java virtual machine: the same tables as with processes, and nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, In, JobDefinition, Nothing, job

from ai.starlake.common import sanitize_id
from ai.starlake.dagster.warm import StarlakeDagsterWarmJob
from tests.bakery import CONTENTS, TABLES, TRANSFORMS, contents
from tests.dagster.run_configs import forked_steps
from tests.dagster.warm.conftest import WarmBakery
from tests.executor.warm.fake_starlake import FakeStarlake
from tests.executor.warm.warm_commands import gone

READ = {
    "Customers.CustomerLifeTimeValue": ["starbake.Customers", "starbake.Orders"],
    "Customers.HighValueCustomers": ["Customers.CustomerLifeTimeValue"],
    "Products.ProductMargins": ["starbake.Products", "starbake.Ingredients"],
    "kpis.DailySales": ["starbake.Orders", "Customers.HighValueCustomers", "Products.ProductMargins"],
}
ASSETS = """
from dagster import AssetSelection, Definitions, define_asset_job
from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.warm import StarlakeDagsterWarmJob

everything = define_asset_job("everything", AssetSelection.all(), config={config!r})
defs = Definitions.merge(
    build_starlake_definitions({root!r}, StarlakeDagsterWarmJob(options={options!r}), batched=True),
    Definitions(jobs=[everything])
)
"""


@dataclass(frozen=True)
class WarmRun:
    """A run that is over."""

    bakery: WarmBakery
    successful: bool
    messages: list[str]
    warm: Mapping[str, Any]
    runs_after_it: set[int]
    """The virtual machines that were there when the run had ended."""


def recorded(bakery: WarmBakery, instance: DagsterInstance, run_id: str, alive: set[int]) -> WarmRun:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    logs = instance.all_logs(run_id)
    made = [entry.asset_materialization for entry in logs if entry.asset_materialization is not None]
    warm = {event.asset_key.to_user_string(): event.metadata["starlake/warm"].value for event in made}
    messages = [entry.user_message for entry in logs if entry.dagster_event is None]
    return WarmRun(bakery, run.is_success, messages, warm, alive)


def running(machines: set[int]) -> set[int]:
    return {pid for pid in machines if Path(f"/proc/{pid}").exists()}


@pytest.fixture(scope="module")
def run_of_assets(tmp_path_factory: pytest.TempPathFactory, fake_starlake: FakeStarlake) -> WarmRun:
    """Return a run whose steps are processes of its own, two at a time; the process of the run ends with it."""
    bakery = WarmBakery.make(tmp_path_factory.mktemp("assets"), fake_starlake)
    file, home = bakery.folder / "definitions.py", bakery.folder / "home"
    given = {"root": str(bakery.root), "options": dict(bakery.options), "config": forked_steps()}
    file.write_text(ASSETS.format(**given), encoding="utf-8")
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    command = [sys.executable, "-m", "dagster", "job", "execute", "-f", str(file), "-j", "everything"]
    done = subprocess.run(
        command, env={**os.environ, "DAGSTER_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-5000:]
    gone(*bakery.machines)
    with DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs()
        return recorded(bakery, instance, run.run_id, running(bakery.machines))


def job_of_ops(bakery: WarmBakery, **options: Any) -> JobDefinition:
    """Return the ops of the sample, whose first load fails at its first attempt."""
    sl_job = StarlakeDagsterWarmJob("imported", {**bakery.options, "retries": 1, "retry_delay": 0, **options})
    start, pre_load = sl_job.dummy_op("start"), sl_job.sl_pre_load("starbake", TABLES)
    assert pre_load is not None
    loads = {f"starbake.{table}": sl_job.sl_load(None, "starbake", table, ins={"domain": In(str)}) for table in TABLES}
    transforms = {
        name: sl_job.sl_transform(None, name, ins={sanitize_id(read): In(Nothing) for read in reads})
        for name, reads in READ.items()
    }

    @job
    def everything():
        ready, _skipped = pre_load(start())
        results = {name: load(ready) for name, load in loads.items()}
        for name, reads in READ.items():
            results[name] = transforms[name](**{sanitize_id(read): results[read] for read in reads})

    return everything


@pytest.fixture(scope="module")
def run_of_ops(tmp_path_factory: pytest.TempPathFactory, fake_starlake: FakeStarlake) -> WarmRun:
    """Return a run in this process, which lives on; its first load fails once."""
    bakery = WarmBakery.make(tmp_path_factory.mktemp("ops"), fake_starlake)
    bakery.break_once("--tables Customers")
    with DagsterInstance.ephemeral(settings={"python_logs": {"python_log_level": "INFO"}}) as instance:
        result = job_of_ops(bakery).execute_in_process(instance=instance, raise_on_error=False)
        return recorded(bakery, instance, result.run_id, running(bakery.machines))


@pytest.fixture(params=["ops", pytest.param("assets", marks=pytest.mark.slow)])
def run(request: pytest.FixtureRequest) -> WarmRun:
    found: WarmRun = request.getfixturevalue(f"run_of_{request.param}")
    return found


def test_the_commands_of_a_run_share_one_virtual_machine(run: WarmRun) -> None:
    assert run.successful
    verbs = [arguments.split()[0] for _, arguments in run.bakery.commands]
    assert verbs.count("transform") == len(TRANSFORMS)
    assert verbs.count("load") >= len(TABLES)
    assert len(run.bakery.machines) == 1


def test_the_tables_are_those_that_processes_make(run: WarmRun) -> None:
    assert contents(run.bakery.database) == CONTENTS


def test_the_virtual_machine_ends_with_the_run(run: WarmRun) -> None:
    assert run.runs_after_it == set()


def test_the_log_of_the_run_says_once_which_server_runs(run: WarmRun) -> None:
    (machine,) = run.bakery.machines
    (told,) = [message for message in run.messages if "a warm server was started" in message]
    assert f"process {machine}" in told
    assert "Starlake 1.5.16" in told
    assert "Java " in told
    assert "MB of memory" in told


def test_a_materialization_says_that_its_command_ran_warm(run: WarmRun) -> None:
    assert len(run.warm) == len(CONTENTS)
    assert set(run.warm.values()) == {True}


def test_a_load_that_failed_is_tried_again_in_the_same_virtual_machine(run_of_ops: WarmRun) -> None:
    loads = [
        arguments for _, arguments in run_of_ops.bakery.commands if "load" in arguments and "Customers" in arguments
    ]
    assert len(loads) == 2
    assert list((run_of_ops.bakery.root / "datasets/archive/starbake").glob("customers*"))
