"""Checks on executors that run processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from dagster import AssetCheckSeverity, DagsterInstance

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.reporting import run
from tests.dagster.assets.test_checks_alone import ALL, verdicts
from tests.dagster.assets.test_checks_on_the_engine import ORDERS, rows_of, shop, strict
from tests.fakes.fake_cli import FakeStarlake

__all__ = ["shop"]
WARN = AssetCheckSeverity.WARN


def test_results_that_starlake_does_not_tell_are_unknown_with_the_reason(shop: Folder, tmp_path: Path) -> None:
    strict(shop)
    fake = FakeStarlake(tmp_path / "bin")
    built = build_starlake_definitions(shop.root, StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": str(fake.path)}))
    with DagsterInstance.ephemeral() as instance:
        ran = run(built, instance=instance)
        assert ran.success, ran.failure
        assert ran.made == {ORDERS}
        alone = run(built, assets=[], checks=ALL[:3], instance=instance)
    assert alone.success, alone.failure
    for check in [*map(ran.checks.__getitem__, ALL[:3]), *alone.checks.values()]:
        assert (check.passed, check.severity) == (False, WARN)
        assert (check.description or "").startswith("unknown: ")
    assert len(alone.checks) == 3
    assert "only when it loads" in (alone.checks[ALL[0]].description or "")


@pytest.mark.slow
def test_the_engine_as_a_process_reports_as_in_process(shop: Folder) -> None:
    executable = str(Path(sys.executable).with_name("starlake-embedded"))
    built = build_starlake_definitions(shop.root, StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": executable}))
    with DagsterInstance.ephemeral() as instance:
        ran = run(built, instance=instance)
        assert ran.success, ran.failure
        alone = run(built, assets=[], checks=ALL, instance=instance)
        assert alone.success, alone.failure
    expected = {
        "none_below_price_0": (False, WARN),
        "broken": (False, WARN),
        "at_least_1": (True, WARN),
        "rejected_rows": (False, WARN),
    }
    assert verdicts(ran) == verdicts(alone) == expected
    assert rows_of(ran.checks[ALL[0]]) == rows_of(alone.checks[ALL[0]]) == [{"id": "2", "price": "-3"}]
