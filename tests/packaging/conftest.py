"""The wheels that the tests of this folder install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the wheels by the name of their distribution, as `make wheels` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(["make", "wheels", f"DIST={folder}", f"VENV={sys.prefix}"], cwd=ROOT, check=True, timeout=300)
    return {wheel.name.partition("-")[0]: wheel for wheel in folder.glob("*.whl")}
