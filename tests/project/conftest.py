"""Small projects on disk for the tests of the reader."""

from pathlib import Path
from textwrap import dedent

import pytest

from ai.starlake.project import Project

APPLICATION = """
    version: 1
    application:
      connectionRef: duckdb
      connections:
        duckdb:
          type: jdbc
          options:
            url: "jdbc:duckdb:{{SL_ROOT}}/datasets/duckdb.db"
"""

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


class Files:
    """A project's folder that tests write files into."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> Path:
        """Write a file below ``metadata``, its text dedented."""
        file = self.root / "metadata" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return file

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
