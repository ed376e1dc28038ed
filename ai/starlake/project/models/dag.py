"""Configurations of generated DAG files."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ai.starlake.project.models.base import FileModel, Text, TextMap


class DagConfig(FileModel):
    """One ``metadata/dags/<name>.sl.yml``; its strings are Jinja that is rendered when DAG files are generated.

    See Starlake's `DagInfo.scala`.
    """

    filled_in: ClassVar[frozenset[str]] = frozenset({"file", "name"})

    name: Text = ""
    """Name of the file without ``.sl.yml``; ``dagRef`` refers to it."""
    template: Text = Field(min_length=1)
    """Template of the DAG file: of this package, or a file in ``metadata/dags/templates``."""
    filename: Text = Field(min_length=1)
    """Name of the DAG file; its variables decide how many files there are."""
    comment: Text = ""
    """Description of the DAG file."""
    options: TextMap = Field(default_factory=dict)
    """Options of the job in the DAG file, by name."""
