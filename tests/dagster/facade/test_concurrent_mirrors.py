"""Two sensors, as of two code locations, that mirror the same audit on the same assets of one instance."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance

from tests.dagster.assets.conftest import Folder
from tests.dagster.facade.conftest import Mirror, Scheduler


def both(shop: Folder, instance: DagsterInstance, **arguments: str) -> list[Mirror]:
    """Two mirrors whose history is synchronised."""
    mirrors = [Mirror(shop, instance, **arguments) for _ in range(2)]
    for mirror in mirrors:
        mirror.tick()
    return mirrors


@pytest.mark.parametrize("mode", ["runs", "events"])
def test_ticks_in_turns_record_nothing_twice(
    shop: Folder, scheduler: Scheduler, instance: DagsterInstance, mode: str
) -> None:
    first, second = both(shop, instance, mirror=mode)
    for number in (1, 2):
        scheduler.bring("shop.orders", f"{number};5", job_id=f"{number}")
        scheduler.bring("shop.returns", "y;1", job_id=f"{number}")
        for _ in range(3):
            for mirror in (second, first) if number == 1 else (first, second):
                mirror.tick()
    assert len(first.materializations("shop/orders")) == 2
    assert first.passed("shop/orders") == [True, True]
    assert first.passed("shop/returns") == [False, False]
    mirrored = [[run.job_def.name for run in mirror.runs[1:]] for mirror in (first, second)]
    assert mirrored == ([["starlake_mirror_prod"]] * 2 if mode == "runs" else [[], []])


def test_a_run_that_another_sensor_has_mirrored_is_told(
    shop: Folder, scheduler: Scheduler, instance: DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = both(shop, instance)
    scheduler.bring("shop.orders", "1;5", job_id="17")
    (run,) = first.settle()
    assert second.settle() == []
    assert f"is mirrored by run {run.run_id} already" in capfd.readouterr().err


def test_facades_with_other_assets_mirror_the_same_run_too(
    shop: Folder, scheduler: Scheduler, instance: DagsterInstance
) -> None:
    first, second = Mirror(shop, instance), Mirror(shop, instance, asset_prefix="other")
    for mirror in (first, second):
        mirror.tick()
    scheduler.bring("shop.orders", "1;5", job_id="17")
    assert [len(mirror.settle()) for mirror in (first, second)] == [1, 1]
    assert len(first.materializations("shop/orders")) == 1
    assert len(second.materializations("other/shop/orders")) == 1
