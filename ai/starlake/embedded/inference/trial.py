"""Trial loads of the sample: the engine itself reports rejects, so that a load of the sample rejects nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.validation import Validator
from ai.starlake.embedded.inference.guesses import Guess
from ai.starlake.embedded.intake.formats import format_of
from ai.starlake.embedded.intake.incoming import staged
from ai.starlake.embedded.scratch import scratch_folder
from ai.starlake.project import Table, TypeDefinition

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

_ERRORS = 1000
"""Number of rejects per trial that determine the columns to widen."""
_PLACE = re.compile(r"\[\d+\]")


class Trial:
    """Loads a sample on trial, into a temporary table.

    Args:
        database: A database of its own, in memory.
        types: The types of the project.
        file: The sample.
        table: The table's metadata without attributes, as in its file; it is adapted to the sample.
        columns: The guesses, which are widened as needed.
    """

    def __init__(
        self,
        database: Database,
        types: Mapping[str, TypeDefinition],
        file: Path,
        table: dict[str, Any],
        columns: Sequence[Guess],
    ) -> None:
        self._database = database
        self._types = types
        self._file = file
        self._table = table
        self._columns = columns

    def run(self) -> Table:
        """Widen the guesses until no row of the sample is rejected.

        Raises:
            StarlakeError: If the engine cannot read the sample with any types.
        """
        table = self.table
        if format_of(table).names_columns and table.metadata.with_header and not self._names_fit():
            metadata = self._table["metadata"]
            above = int(metadata.get("options", {}).get("skipRows", 0))
            metadata["withHeader"] = False
            metadata["options"] = {**metadata.get("options", {}), "skipRows": str(above + 1)}
        while errors := self._errors():
            if not self._widen(errors):
                raise StarlakeError(f"{self._file} cannot be loaded", cause=errors[0], fix="describe the table by hand")
        return self.table

    @property
    def table(self) -> Table:
        """The table with the current guesses."""
        return Table.model_validate({**self._table, "attributes": [each.as_metadata() for each in self._columns]})

    def _names_fit(self) -> bool:
        """Return True if the header names each column exactly once."""
        with scratch_folder() as scratch:
            try:
                rows = format_of(self.table).read(self._database, self.table, self._file, scratch)
            except StarlakeError:
                return False
        return None not in rows.cells

    def _errors(self) -> list[str]:
        import duckdb

        table = self.table
        try:
            with staged(self._database, Validator(table, self._types), table, [self._file], strict=True) as rows:
                errors = [reject.error for reject in rows.rejects(self._database, _ERRORS)]
                return [error for error in errors if error.startswith("`")]  # for torn rows no type is wrong
        except (duckdb.Error, StarlakeError) as error:
            return [str(error)]

    def _widen(self, errors: Iterable[str]) -> bool:
        """Widen the columns with errors, else all; return True if any could be widened."""
        text = _PLACE.sub("", "\n".join(errors))
        guesses = [(_PLACE.sub("", path), guess) for column in self._columns for path, guess in column.paths()]
        named = [guess for path, guess in guesses if f"`{path}`" in text]
        return _widen_all(named) or _widen_all(guess for _, guess in guesses)


def _widen_all(guesses: Iterable[Guess]) -> bool:
    return sum(guess.widen() for guess in guesses) > 0
