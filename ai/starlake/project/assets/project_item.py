"""Items of a project, as plain data: loaded tables, and the tables or views of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pydantic import TypeAdapter

ItemKind = Literal["table", "task", "view"]
Target = tuple[str, str]
"""Schema and table by their names in the database."""


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """A source column of another column.

    Attributes:
        table: The parts of the table's name: schema and table, or the name in the SQL if the project does not make it.
        column: The column's name in the database.
    """

    table: tuple[str, ...]
    column: str


@dataclass(frozen=True, slots=True)
class ItemColumn:
    """A column of the table of an item.

    Attributes:
        name: Its name in the database.
        type: Its type in the database; ``unknown`` for one that only a run can determine.
        starlake_type: The type in the metadata; empty if there is none.
        description: Its comment.
        nullable: True if values may be missing.
        unique: True if it alone is the primary key.
        constraints: Further constraints, as text.
        tags: Further metadata, such as ``privacy`` and ``foreign_key``.
        sources: The source columns of its values; empty if unknown.
    """

    name: str
    type: str
    starlake_type: str = ""
    description: str | None = None
    nullable: bool = True
    unique: bool = False
    constraints: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[ColumnSource, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemExpectation:
    """A check of the rows of an item.

    Attributes:
        item: The full name of the item.
        target: Schema and table of the item in the database.
        expect: The call of a macro, as in the metadata.
        name: Its name among the checks of the item: letters, digits and underscores.
        fail_on_error: True if rows that do not meet it fail the job, according to the application and the expectation.
    """

    item: str
    target: Target
    expect: str
    name: str
    fail_on_error: bool


@dataclass(frozen=True, slots=True)
class CodePlace:
    """A source line of an item."""

    file: str
    """Path of the file, within the project."""
    line: int
    """Number of the line; the first one is 1."""
    label: str
    """Name of the file for display."""


@dataclass(frozen=True)
class ProjectItem:
    """A loaded table or a task, with everything known before a run.

    Attributes:
        kind: ``table`` for a loaded table, ``task``, or ``view`` for a task with a view.
        domain: The domain, by its name in commands.
        name: The table or task, by its name in commands.
        target: Schema and table by their names in the database.
        metadata: The metadata, with Starlake's keys and defaults, without SQL and without ``options``, which may
            contain secrets.
        database: The database or the project of the warehouse; empty if the metadata names none.
        warehouse: The kind of database, such as ``duckdb``; empty if the project names no connection.
        format: The format of the files, ``sql`` or ``python``.
        pattern: Pattern for the names of the files of a loaded table; empty for a task.
        file_stem: The name of the metadata file of a loaded table, which commands accept too.
        description: The comment.
        tags: The tags.
        columns: The columns; empty if unknown.
        upstream: The targets of the items that it reads.
        externals: The names in its SQL of tables that the project does not make, in parts.
        expectations: Its checks.
        cron: The cron expression of its schedule.
        uses_interval: True if its SQL or its Python uses the data interval of the run.
        warn_after: Age limit for a warning, in seconds.
        fail_after: Age limit for an error, in seconds.
        code_version: Changes with the meaning of the YAML and the SQL.
        places: Its source files and lines.
        compute: The compute profile in the metadata.
        compute_place: The file and line of the compute profile.
        sql_problem: The syntax error in its SQL, because of which its columns are unknown; empty if there is none.
    """

    kind: ItemKind
    domain: str
    name: str
    target: Target
    metadata: Mapping[str, Any] = field(repr=False, default_factory=dict)
    database: str = ""
    warehouse: str = ""
    format: str = ""
    pattern: str = ""
    file_stem: str = ""
    description: str | None = None
    tags: tuple[str, ...] = ()
    columns: tuple[ItemColumn, ...] = field(repr=False, default=())
    upstream: tuple[Target, ...] = ()
    externals: tuple[tuple[str, ...], ...] = ()
    expectations: tuple[ItemExpectation, ...] = ()
    cron: str | None = None
    uses_interval: bool = False
    warn_after: float | None = None
    fail_after: float | None = None
    code_version: str = ""
    places: tuple[CodePlace, ...] = field(repr=False, default=())
    compute: str | None = None
    compute_place: str = field(repr=False, default="")
    sql_problem: str = field(repr=False, default="")

    @property
    def full_name(self) -> str:
        """``domain.name``: the name in commands."""
        return f"{self.domain}.{self.name}"

    @property
    def table_name(self) -> str:
        """Name of the table in the database, with the database if the metadata names it."""
        return ".".join(filter(None, (self.database, *self.target)))


@dataclass
class SqlAnswers:
    """Results of parsing SQL, by the hash of their input.

    Attributes:
        tables: The tables that SQL reads.
        columns: The columns of the last query in SQL.
        problems: Syntax errors in SQL; only for invalid SQL.
    """

    tables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    columns: dict[str, tuple[ItemColumn, ...]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def items_adapter() -> TypeAdapter[tuple[ProjectItem, ...]]:
    """Return the adapter between items and JSON; in this module, where pydantic 2.5 finds the names of types."""
    from pydantic import TypeAdapter

    return TypeAdapter(tuple[ProjectItem, ...])


@lru_cache(maxsize=1)
def answers_adapter() -> TypeAdapter[SqlAnswers]:
    """Return the adapter between results and JSON; in this module, where pydantic 2.5 finds the names of types."""
    from pydantic import TypeAdapter

    return TypeAdapter(SqlAnswers)
