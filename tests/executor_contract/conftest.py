from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ai.starlake.testing.executor_contract import ContractBench
from starlake_gcp_emulator import GcpEmulator


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GcpEmulator, Path]]:
    """Yield an emulator that starts whatever a link points to."""
    link = tmp_path_factory.mktemp("gcp") / "starlake"
    with GcpEmulator(command=[str(link)], speed=3000, grace=0.5) as emulator:
        yield emulator, link


@pytest.fixture
def gcp(_started: tuple[GcpEmulator, Path]) -> Callable[[ContractBench], GcpEmulator]:
    """Return a function that makes the emulator, which starts the executable of a bench."""
    emulator, link = _started

    def starting(bench: ContractBench) -> GcpEmulator:
        link.unlink(missing_ok=True)
        link.symlink_to(bench.starlake)
        return emulator

    return starting
