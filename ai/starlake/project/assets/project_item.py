"""The items of a project, as plain data: a loaded table, or the table or view of a task."""

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
    """A column that another one is made of.

    Attributes:
        table: The parts of the table's name: schema and table, or what the SQL names if the project does not make it.
        column: The column's name in the database.
    """

    table: tuple[str, ...]
    column: str


@dataclass(frozen=True, slots=True)
class ItemColumn:
    """A column of the table that an item makes.

    Attributes:
        name: Its name in the database.
        type: Its type in the database; ``unknown`` for one that only a run can tell.
        starlake_type: The type in the metadata; empty if there is none.
        description: Its comment.
        nullable: Whether values may be missing.
        unique: Whether it alone is the primary key.
        constraints: What else holds of it, in words.
        tags: What else the metadata says of it, such as ``privacy`` and ``foreign_key``.
        sources: The columns that make its values; empty if that is not known.
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
        expect: The call of a macro, as the metadata has it.
        name: Its name among the checks of the item: letters, digits and underscores.
        fail_on_error: Whether rows that do not meet it fail the job: the application and the expectation say so.
    """

    item: str
    target: Target
    expect: str
    name: str
    fail_on_error: bool


@dataclass(frozen=True, slots=True)
class CodePlace:
    """A line of a file that says how an item is made."""

    file: str
    line: int
    label: str


@dataclass(frozen=True)
class ProjectItem:
    """A loaded table or a task, as far as it is known before anything runs.

    Attributes:
        kind: ``table`` for one that is loaded, ``task``, or ``view`` for a task that leaves a view.
        domain: The domain, by the name that commands take.
        name: The table or task, by the name that commands take.
        target: Schema and table by their names in the database.
        metadata: What the metadata says, under Starlake's keys and complete with its defaults, without SQL and without
            ``options``, which may hold secrets.
        database: The database or the project of the warehouse that the table is in; empty if the metadata names none.
        warehouse: The kind of database, such as ``duckdb``; empty if the project names no connection.
        format: The format of the files, ``sql`` or ``python``.
        pattern: What the names of the files of a loaded table match; empty for a task.
        file_stem: The name of the metadata file of a loaded table, by which commands select it too.
        description: The comment.
        tags: The tags.
        columns: The columns; empty if they are not known.
        upstream: The targets of the items that it reads.
        externals: The names in its SQL of what the project does not make, in parts.
        expectations: Its checks.
        cron: The cron expression of its schedule.
        uses_interval: Whether its SQL or its Python names the data interval of the run.
        warn_after: How old it may be before a warning, in seconds.
        fail_after: How old it may be before an error, in seconds.
        code_version: Changes with what the YAML and the SQL mean.
        places: The files and lines that it is from.
        compute: The compute profile that the metadata names.
        compute_place: The file and line where it does.
        sql_problem: Why its SQL cannot be parsed, so that its columns are not known; empty if it can be.
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
        """``domain.name``: what commands take."""
        return f"{self.domain}.{self.name}"

    @property
    def table_name(self) -> str:
        """The name of the table in the database, with the database where the metadata names it."""
        return ".".join(filter(None, (self.database, *self.target)))


@dataclass
class SqlAnswers:
    """Answers about SQL, by the hash of all that they depend on.

    Attributes:
        tables: The tables that SQL reads.
        columns: The columns of the last query in SQL.
        problems: Why SQL cannot be parsed; only of such SQL.
    """

    tables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    columns: dict[str, tuple[ItemColumn, ...]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def items_adapter() -> TypeAdapter[tuple[ProjectItem, ...]]:
    """Return what writes items as JSON and reads them; here, where pydantic 2.5 finds the names of types."""
    from pydantic import TypeAdapter

    return TypeAdapter(tuple[ProjectItem, ...])


@lru_cache(maxsize=1)
def answers_adapter() -> TypeAdapter[SqlAnswers]:
    """Return what writes answers as JSON and reads them; here, where pydantic 2.5 finds the names of types."""
    from pydantic import TypeAdapter

    return TypeAdapter(SqlAnswers)
