"""File formats: how files are read, and how rejected rows are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ai.starlake.embedded.checking.raw_rows import RawRows
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.embedded.intake.formats.reader_options import WrongSetting
    from ai.starlake.project import Table


class FileFormat(ABC):
    """The specific parts of a file format.

    A new format is a subclass in a module of its own, and a line in the table of `formats`.
    """

    scalars_change_shape: ClassVar[bool] = False
    """True if objects and arrays may occur where other files of the table have single values. They become strings."""
    names_columns: ClassVar[bool] = False
    """True if files may have a header, which ``withHeader`` declares."""

    @abstractmethod
    def read(self, database: Database, table: Table, file: Path, scratch: Path) -> RawRows:
        """Return the query that reads a file.

        Args:
            database: The database that runs the query.
            table: The table that the file belongs to.
            file: The file.
            scratch: A folder for files of the query; it is deleted when the rows are read.

        Raises:
            StarlakeError: If the file does not have the format.
        """

    def wrong_settings(self, table: Table) -> Iterator[WrongSetting]:
        """Yield the settings of a table that the format does not support; without any, `read` can be called.

        Args:
            table: The table.
        """
        _ = table
        yield from ()

    def replayed(self, table: Table, header: str | None, records: Iterable[str]) -> Iterator[str]:
        """Yield the lines of a file of rejected rows, which can be loaded again.

        Args:
            table: The table.
            header: The line above the rows of its files; None if the format has none.
            records: The rows, as in `RawRows`.
        """
        _ = table
        yield from () if header is None else (header,)
        yield from records
