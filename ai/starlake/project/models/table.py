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
    grants: Texts = ()
    name: Text | None = None


class RowLevelSecurity(Model):
    """A condition on rows and the users who see the matching rows."""

    name: Text
    predicate: Text = "TRUE"
    grants: Texts = ()
    description: Text | None = None


class Table(FileModel):
    """A table that is loaded from files: one ``load/<domain>/<table>.sl.yml``."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"file", "domain", "domainFinalName", "fileStem"})

    name: Text = Field(min_length=1)
    pattern: Text = Field(min_length=1)
    """Java regular expression for the whole name of a file."""
    attributes: tuple[Attribute, ...] = ()
    metadata: Metadata = Metadata()
    primary_key: Texts = ()
    presql: Texts = ()
    postsql: Texts = ()
    expectations: tuple[Expectation, ...] = ()
    filter: Text | None = None
    """SQL predicate on the renamed columns; accepted rows that do not match it are dropped."""
    rename: Text | None = None
    comment: Text | None = None
    compute: Text | None = None
    """Compute profile of the load of the table; that of its metadata by default."""
    tags: Texts = ()
    acl: tuple[AccessControl, ...] = ()
    rls: tuple[RowLevelSecurity, ...] = ()
    sample: Text | None = None
    pattern_sample: Text | None = None
    streams: Texts = ()
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
    """A schema whose tables are loaded from files: one folder under ``metadata/load``."""

    filled_in: ClassVar[frozenset[str]] = frozenset({"file", "folder", "tables"})

    name: FolderName = Field(min_length=1)
    folder: Text = ""
    """Name of the folder; ``--domains`` accepts it."""
    metadata: Metadata = Metadata()
    comment: Text | None = None
    tags: Texts = ()
    rename: Text | None = None
    database: Text | None = None
    tables: tuple[Table, ...] = ()
    """Tables of the domain, in the order of their file names."""

    @property
    def final_name(self) -> str:
        """Name of the domain's schema in the database."""
        return self.rename or self.name

    def table_of(self, file_name: str) -> Table | None:
        """Return the first table whose pattern matches the name of a file; None if there is none.

        Tables are in the order of their names, which is the same everywhere; Starlake uses the age of their files.
        """
        return next((table for table in self.tables if table.matches(file_name)), None)
