"""The wheels that the tests of this folder install, and where they do so."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the wheels by the name of their distribution, as `make wheels` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(["make", "wheels", f"DIST={folder}", f"VENV={sys.prefix}"], cwd=ROOT, check=True, timeout=300)
    return {wheel.name.partition("-")[0]: wheel for wheel in folder.glob("*.whl")}


@pytest.fixture(scope="session")
def disk() -> Iterator[Path]:
    """Return a folder on the disk, where uv links the files of its cache; into memory it would copy them."""
    with tempfile.TemporaryDirectory(prefix="starlake-packaging-") as folder:
        yield Path(folder)


@pytest.fixture
def tmp_path(disk: Path) -> Path:
    """Return a new folder on the disk; it stays until the last test has lent its bytecode to others."""
    return Path(tempfile.mkdtemp(dir=disk))
