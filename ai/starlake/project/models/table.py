"""Tables that are loaded from files, and their domains."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field

from ai.starlake.project.models.attribute import Attribute, Expectation
from ai.starlake.project.models.base import FileModel, FolderName, Model, Text, Texts
from ai.starlake.project.models.metadata import Metadata
from ai.starlake.project.patterns import java_pattern


class AccessControl(Model):
    """A role on a table and its grantees."""

    role: Text
    """Role or privilege in the database."""
    grants: Texts = ()
    """Users and groups that get it."""
    name: Text | None = None
    """Name of the rule."""


class RowLevelSecurity(Model):
    """A condition on rows and the users who see the matching rows."""

    name: Text
    """Name of the rule."""
    predicate: Text = "TRUE"
    """SQL condition on a row."""
    grants: Texts = ()
    """Users and groups that see the matching rows."""
    description: Text | None = None
    """Description of the rule."""


class Table(FileModel):
    """A table that is loaded from files: one ``load/<domain>/<table>.sl.yml``. See Starlake's `SchemaInfo.scala`."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"file", "domain", "domainFinalName", "fileStem"})

    name: Text = Field(min_length=1)
    """Name of the table."""
    pattern: Text = Field(min_length=1)
    """Java regular expression for the whole name of a file."""
    attributes: tuple[Attribute, ...] = ()
    """Columns, in the order of the file."""
    metadata: Metadata = Metadata()
    """Format of the files, and their treatment."""
    primary_key: Texts = ()
    """Columns of the primary key; documentation only."""
    presql: Texts = ()
    """Statements before the rows are written."""
    postsql: Texts = ()
    """Statements after the rows are written, in the same transaction."""
    expectations: tuple[Expectation, ...] = ()
    """Checks of the table after the load."""
    filter: Text | None = None
    """SQL predicate on the renamed columns; accepted rows that do not match it are dropped."""
    rename: Text | None = None
    """Name of the table in the database, if it is another one."""
    comment: Text | None = None
    """Description of the table."""
    compute: Text | None = None
    """Compute profile of the load of the table; that of its metadata by default."""
    tags: Texts = ()
    """Labels of the table, for selections."""
    acl: tuple[AccessControl, ...] = ()
    """Access of roles; ignored by the embedded engine."""
    rls: tuple[RowLevelSecurity, ...] = ()
    """Access to rows; ignored by the embedded engine."""
    sample: Text | None = None
    """Example of a file's content."""
    pattern_sample: Text | None = None
    """Example of a file's name."""
    streams: Texts = ()
    """Streams in Starlake; ignored by the embedded engine."""
    domain: Text = ""
    """Name of the domain, and of its folders in the areas."""
    domain_final_name: Text = ""
    """Name of the domain's schema in the database."""
    file_stem: Text = ""
    """Name of the file without ``.sl.yml``; ``load --tables`` accepts it."""

    @property
    def final_name(self) -> str:
        """Name of the table in the database."""
        return self.rename or self.name

    @property
    def full_name(self) -> str:
        """``domain.table``, by the names of the files."""
        return f"{self.domain}.{self.name}"

    @property
    def target(self) -> str:
        """``schema.table``, by the names in the database."""
        return f"{self.domain_final_name}.{self.final_name}"

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern.

        Raises:
            StarlakeError: If the pattern is not a regular expression.
        """
        return java_pattern(self.pattern)

    def matches(self, file_name: str) -> bool:
        """Return True if a file with this name belongs to the table.

        Args:
            file_name: The name without its folder; all of it must match the pattern.

        Raises:
            StarlakeError: If the pattern is not a regular expression.
        """
        return self.regex.fullmatch(file_name) is not None

    def model_post_init(self, _context: Any, /) -> None:
        """Fill in the names that only a table created in memory lacks."""
        if not self.domain_final_name:
            object.__setattr__(self, "domain_final_name", self.domain)
        if not self.file_stem:
            object.__setattr__(self, "file_stem", self.name)


class Domain(FileModel):
    """A schema whose tables are loaded from files: one folder under ``metadata/load``.

    See Starlake's `DomainInfo.scala`.
    """

    filled_in: ClassVar[frozenset[str]] = frozenset({"file", "folder", "tables"})

    name: FolderName = Field(min_length=1)
    """Name of the domain; by default that of its folder."""
    folder: Text = ""
    """Name of the folder; ``--domains`` accepts it."""
    metadata: Metadata = Metadata()
    """Defaults for the metadata of its tables."""
    comment: Text | None = None
    """Description of the domain."""
    tags: Texts = ()
    """Labels of the domain."""
    rename: Text | None = None
    """Name of the schema in the database, if it is another one."""
    database: Text | None = None
    """Database of the schema, for databases that have several."""
    tables: tuple[Table, ...] = ()
    """Tables of the domain, in the order of their file names."""

    @property
    def final_name(self) -> str:
        """Name of the domain's schema in the database."""
        return self.rename or self.name

    def table_of(self, file_name: str) -> Table | None:
        """Return the first table whose pattern matches the name of a file; None if no pattern matches.

        Tables are in the order of their names, which is the same everywhere; Starlake uses the age of their files.

        Args:
            file_name: Name without its folder.
        """
        return next((table for table in self.tables if table.matches(file_name)), None)
