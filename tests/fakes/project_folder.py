"""A project's folder that tests write files into."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

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


class ProjectFolder:
    """A project's folder.

    Args:
        root: The folder; it need not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> Path:
        """Write a file below ``metadata``, its text dedented."""
        file = self.root / "metadata" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return file
