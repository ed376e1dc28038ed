"""Instances of Dagster, a fake `starlake`, and the places where generated files run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from starlake_gcp_emulator import GcpEmulator
from tests.dagster.dag_templates.machinery import on_google_cloud
from tests.fakes.fake_cli import FakeStarlake
from tests.fakes.shops import GCP_PROJECT, REGION, RUN_JOB


@pytest.fixture(scope="session")
def _fake(tmp_path_factory: pytest.TempPathFactory) -> FakeStarlake:
    return FakeStarlake(tmp_path_factory.mktemp("bin"))


@pytest.fixture(scope="session")
def _gcp(_fake: FakeStarlake) -> Iterator[GcpEmulator]:
    with GcpEmulator([str(_fake.path)], speed=3000, grace=1) as emulator:
        emulator.add_job(f"projects/{GCP_PROJECT}/locations/{REGION}/jobs/{RUN_JOB}", max_retries=0)
        yield emulator


@pytest.fixture
def fake(_fake: FakeStarlake) -> FakeStarlake:
    """Return the executable that every execution environment runs as `starlake`."""
    _fake.forget()
    return _fake


@pytest.fixture
def gcp(_gcp: GcpEmulator) -> GcpEmulator:
    """Google Cloud, which runs the fake."""
    return _gcp


@pytest.fixture
def options(fake: FakeStarlake, request: pytest.FixtureRequest) -> Callable[[str], dict[str, str]]:
    """Return the options of a DAG configuration for an execution environment, so that its commands reach the fake."""

    def options_of(place: str) -> dict[str, str]:
        if place == "shell":
            return {"SL_STARLAKE_PATH": str(fake.path)}
        return on_google_cloud(request.getfixturevalue("gcp"), place, poll_interval=0.02)

    return options_of
