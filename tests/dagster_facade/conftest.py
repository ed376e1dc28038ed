"""Small projects on disk, and a cache of their own for the tests."""

from pathlib import Path

import pytest

from tests.dagster_assets.conftest import APPLICATION, Folder, cache

__all__ = ["cache"]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project with an application and nothing else."""
    folder = Folder(tmp_path / "bakery")
    folder.write("application.sl.yml", APPLICATION)
    return folder
