"""Mirrored runs that somebody executes again in the UI: they tell the same, and record nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from tests.dagster.assets.conftest import Folder
from tests.dagster.facade.conftest import Mirror, Scheduler
from tests.dagster.reexecution import reexecute

CODE = """
from ai.starlake.dagster import StarlakeDagsterFacade

defs = StarlakeDagsterFacade({root!r}, {audit!r}).create_definitions("prod")
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    """Yield an instance that keeps its events on disk."""
    with DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@pytest.mark.slow
def test_all_steps_and_those_that_failed(
    shop: Folder, scheduler: Scheduler, instance: DagsterInstance, tmp_path: Path
) -> None:
    code = tmp_path / "code.py"
    code.write_text(CODE.format(root=str(shop.root), audit=str(shop.root / "datasets/duckdb.db")), "utf-8")
    mirror = Mirror(shop, instance)
    mirror.tick()
    scheduler.bring("shop.orders", "1;5", job_id="17")
    scheduler.bring("shop.returns", "y;1", job_id="17")
    (run,) = mirror.settle()
    failed = {"outcome[shop__returns]"}
    everything = {"read_audit", "outcome[shop__orders]", *failed}
    for strategy, steps in (("ALL_STEPS", everything), ("FROM_FAILURE", failed)):
        again = reexecute(instance, code, run.run_id, strategy)
        assert again.is_failure
        ended = {
            event.step_key
            for event in (entry.dagster_event for entry in instance.all_logs(again.run_id))
            if event and event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE")
        }
        assert ended == steps
    assert len(mirror.materializations("shop/orders")) == 1
    assert mirror.passed("shop/orders") == [True]
    assert mirror.passed("shop/returns") == [False]
    assert len(mirror.checks("shop/returns", "rejected_rows")) == 1
