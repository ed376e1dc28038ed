"""Shared parts of the tests of Airflow's side; see airflow_home.py for DAG files, runs and contexts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow.airflow_home import HOME, RecordedSupervisor  # sets Airflow's environment: before `airflow`
from tests.fakes.fake_cli import FakeStarlake


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """AIRFLOW_HOME of this process."""
    return HOME


@pytest.fixture
def supervisor() -> Iterator[RecordedSupervisor]:
    """Yield the supervisor of a task that runs by `operator.execute`: XComs, Variables and Connections."""
    from airflow.sdk.execution_time.supervisor import set_supervisor_comms

    recorded = RecordedSupervisor()
    with set_supervisor_comms(recorded):
        yield recorded


@pytest.fixture
def fake(tmp_path: Path) -> FakeStarlake:
    """Return an executable that stands for `starlake`, for the option SL_STARLAKE_PATH."""
    return FakeStarlake(tmp_path / "bin")
