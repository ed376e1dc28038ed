"""Small projects on disk for the tests of the reader."""

from pathlib import Path

import pytest

from ai.starlake.project import Project
from tests.fakes.project_folder import APPLICATION, ProjectFolder

TABLE = """
    version: 1
    table:
      name: orders
      pattern: orders-.*\\.csv
      attributes:
        - name: id
          type: int
        - name: placed
          type: date
"""


class Files(ProjectFolder):
    """A project's folder, and what the reader makes of it."""

    def read(self, environment: dict[str, str] | None = None, options: dict[str, str] | None = None) -> Project:
        """Open the project, without the environment of the test's process."""
        return Project.read(self.root, environment=environment or {}, options=options)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return a project with an application and nothing else."""
    files = Files(tmp_path)
    files.write("application.sl.yml", APPLICATION)
    return files


@pytest.fixture
def shop(files: Files) -> Files:
    """Return a project with one table, ``shop.orders``."""
    files.write("load/shop/orders.sl.yml", TABLE)
    return files
