"""Datasets: the tables that loads and transforms produce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ai.starlake.common import sanitize_id


@dataclass(frozen=True, init=False)
class StarlakeDataset:
    """A table that a load or a transform produces, or that another one reads.

    Args:
        name: Its Starlake name, ``domain.table``.
        uri: Its Starlake name too; DAG files of Starlake 1.3 pass this argument.
        **kwargs: Ignored.
    """

    name: str

    def __init__(self, name: str | None = None, *, uri: str | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        object.__setattr__(self, "name", name or uri or "")

    @property
    def uri(self) -> str:
        """Name in the orchestrator: the key of the materialized asset, with the case of the name kept."""
        return sanitize_id(self.name)

    @property
    def domain(self) -> str:
        """The domain; empty if the name has none."""
        return self.name.rpartition(".")[0]

    @property
    def table(self) -> str:
        """The table within the domain."""
        return self.name.rpartition(".")[2]


__all__ = ["StarlakeDataset"]
