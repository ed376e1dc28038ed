"""Instances of Dagster, and jobs of ops that a fake `starlake` runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.testing import FakeStarlake


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_caller() -> Iterator[None]:
    """What the caller's shell sets may not leak into the tests; and no log on the console, which costs much time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("SL_", "DAGSTER_"))]:
            patch.delenv(name)
        logging.getLogger("dagster").setLevel(logging.CRITICAL)
        yield


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def fake(tmp_path: Path) -> FakeStarlake:
    return FakeStarlake(tmp_path / "bin")


@pytest.fixture
def factory(tmp_path: Path, fake: FakeStarlake) -> Callable[..., StarlakeDagsterShellJob]:
    """Makes factories of ops whose commands the fake receives."""

    def make(**options: Any) -> StarlakeDagsterShellJob:
        given = {"sl_env_var": {"SL_ROOT": str(tmp_path)}, "SL_STARLAKE_PATH": str(fake.path), **options}
        return StarlakeDagsterShellJob(options=given)

    return make
