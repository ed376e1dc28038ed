"""What an executor asks about the Starlake project whose commands it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol


class ProjectFacts(Protocol):
    """Answers about a project. Each raises a `StarlakeError` when the project cannot be read."""

    def duckdb_file(
        self, domain: str | None = None, table: str | None = None, *, task: str | None = None
    ) -> Path | None:
        """The file of the DuckDB database that a load, or a task ``domain.task``, writes into; None if elsewhere."""
        ...

    def table_pattern(self, domain: str, table: str) -> re.Pattern[str]:
        """What the name of a file must match, as a whole, to be a file of a table."""
        ...

    def area(self, name: str, domain: str) -> str:
        """The folder of a domain in an area such as ``stage`` or ``ingesting``: a path or a URI."""
        ...


FactsFactory = Callable[[str, Mapping[str, str]], ProjectFacts]
"""Makes the facts of a project from its root folder and the environment of the command."""
