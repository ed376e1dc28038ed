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
    which may contain several statements. See Starlake's `AutoTaskInfo.scala` and `SqlTaskExtractor.scala`.
    """

    filled_in: ClassVar[frozenset[str]] = frozenset({"file", "sqlFile", "pythonFile", "folder"})
    unused: ClassVar[frozenset[str]] = frozenset({"dataset_triggering_strategy", "partition"})

    name: Text = Field(min_length=1)
    """Name of the task's file without its extensions."""
    domain: Text = ""
    """Schema that the task writes to and is named by; by default the name of its folder."""
    folder: Text = ""
    """Name of the task's folder."""
    table: Text = ""
    """Table that the task writes to; by default the task's name."""
    sql: Text | None = None
    """The statement, from the SQL file or the YAML."""
    sql_file: Path | None = Field(default=None, exclude=True)
    """File of the statement; None if the YAML has it."""
    python_file: Path | None = Field(default=None, exclude=True)
    """File of a Python task; None for SQL."""
    python: Text | None = None
    """Path of the Python file in the YAML."""
    engine: Text | None = None
    """Engine for the lazy frame of a Python task, such as ``polars``; a setting of the embedded engine only."""
    database: Text | None = None
    """Database of the schema, for databases that have several."""
    presql: Texts = ()
    """Statements before the rows are written."""
    postsql: Texts = ()
    """Statements after the rows are written, in the same transaction."""
    sink: Sink = Sink()
    """Target of the rows."""
    write_strategy: WriteStrategy = WriteStrategy()
    """Rules for merging the rows into the table."""
    expectations: tuple[Expectation, ...] = ()
    """Checks of the table after the task."""
    attributes: tuple[Attribute, ...] = ()
    """Columns with descriptions and types."""
    primary_key: Texts = ()
    """Columns of the primary key; documentation only."""
    tags: Texts = ()
    """Labels of the task, for selections."""
    comment: Text | None = None
    """Description of the task."""
    compute: Text | None = None
    """Compute profile of the task."""
    schedule: Text | None = None
    """A cron expression, or the name of one of the application's schedule presets."""
    dag_ref: Text | None = None
    """DAG configuration of the task."""
    parse_sql: bool = Field(default=True, alias="parseSQL")
    """False: the SQL is run unchanged, without a write strategy or dependencies."""
    connection_ref: Text | None = None
    """Connection that the SQL runs on; a connection of the sink takes precedence for the rows."""
    freshness: Freshness = Freshness()
    """Limits of the age of the table."""
    task_timeout_ms: int | None = None
    """Limit of the duration in Starlake, in milliseconds."""
    sync_strategy: SyncStrategy = SyncStrategy.ADD
    """Treatment of differences between `attributes` and the existing table."""
    asset_triggering_strategy: Text | None = None
    """Boolean expression over the names of datasets that trigger the task."""
    acl: tuple[AccessControl, ...] = ()
    """Access of roles; ignored by the embedded engine."""
    rls: tuple[RowLevelSecurity, ...] = ()
    """Access to rows; ignored by the embedded engine."""
    streams: Texts = ()
    """Streams in Starlake; ignored by the embedded engine."""

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
    """Return the compute profile of a table or task: its own, else that of the table's metadata.

    Args:
        item: A table or a task.

    Returns:
        Name of the profile; None if neither names one.
    """
    return item.compute or (item.metadata.compute if isinstance(item, Table) else None)


class TransformDomain(FileModel):
    """A folder of tasks under ``metadata/transform``."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"file", "folder"})

    name: Text = Field(min_length=1)
    """Name of the domain; by default that of its folder."""
    folder: Text = ""
    """Name of the folder."""
    comment: Text | None = None
    """Description of the domain."""
    tasks: tuple[Task, ...] = ()
    """Tasks of the folder, in the order of their names."""
