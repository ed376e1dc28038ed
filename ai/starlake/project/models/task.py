"""Transforms: tasks and the domains they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from ai.starlake.project.models.attribute import Attribute, Expectation
from ai.starlake.project.models.base import FileModel, Text, Texts
from ai.starlake.project.models.enums import SyncStrategy
from ai.starlake.project.models.metadata import Freshness
from ai.starlake.project.models.table import AccessControl, RowLevelSecurity, Table
from ai.starlake.project.models.write_options import Sink, WriteStrategy


class Task(FileModel):
    """A transform: the rows of one statement, written to one table.

    The SQL is as written, including Jinja: it is rendered when the task runs. A section of a SQL file is one string,
    which may contain several statements.
    """

    filled_in: ClassVar[frozenset[str]] = frozenset({"file", "sqlFile", "pythonFile", "folder"})
    unused: ClassVar[frozenset[str]] = frozenset({"dataset_triggering_strategy", "partition"})

    name: Text = Field(min_length=1)
    """Name of the task's file without its extensions."""
    domain: Text = ""
    """Schema that the task writes to and is named by; by default the name of its folder."""
    folder: Text = ""
    table: Text = ""
    """Table that the task writes to; by default the task's name."""
    sql: Text | None = None
    sql_file: Path | None = Field(default=None, exclude=True)
    python_file: Path | None = Field(default=None, exclude=True)
    python: Text | None = None
    engine: Text | None = None
    """Engine for the lazy frame of a Python task, such as ``polars``; a setting of the embedded engine only."""
    database: Text | None = None
    presql: Texts = ()
    postsql: Texts = ()
    sink: Sink = Sink()
    write_strategy: WriteStrategy = WriteStrategy()
    expectations: tuple[Expectation, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    primary_key: Texts = ()
    tags: Texts = ()
    comment: Text | None = None
    compute: Text | None = None
    """Compute profile of the task."""
    schedule: Text | None = None
    dag_ref: Text | None = None
    parse_sql: bool = Field(default=True, alias="parseSQL")
    """False: the SQL is run unchanged, without a write strategy or dependencies."""
    connection_ref: Text | None = None
    freshness: Freshness = Freshness()
    task_timeout_ms: int | None = None
    sync_strategy: SyncStrategy = SyncStrategy.ADD
    asset_triggering_strategy: Text | None = None
    acl: tuple[AccessControl, ...] = ()
    rls: tuple[RowLevelSecurity, ...] = ()
    streams: Texts = ()

    @property
    def full_name(self) -> str:
        """``domain.name``: the value of ``transform --name``."""
        return f"{self.domain}.{self.name}"

    @property
    def target(self) -> str:
        """``schema.table`` in the database."""
        return f"{self.domain}.{self.table}"

    def model_post_init(self, _context: Any, /) -> None:
        """Name the table after the task unless the file names it."""
        if not self.table:
            object.__setattr__(self, "table", self.name)


def compute_of(item: Table | Task) -> str | None:
    """Return the compute profile of a table or task: its own, else that of the table's metadata."""
    return item.compute or (item.metadata.compute if isinstance(item, Table) else None)


class TransformDomain(FileModel):
    """A folder of tasks under ``metadata/transform``."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"file", "folder"})

    name: Text = Field(min_length=1)
    folder: Text = ""
    comment: Text | None = None
    tasks: tuple[Task, ...] = ()
    """Tasks of the folder, in the order of their names."""
