"""What becomes of the lines that a command prints."""

from __future__ import annotations

from ai.starlake.common import Redactor
from ai.starlake.executor.counts import CountsReader
from ai.starlake.executor.excerpt import Excerpt
from ai.starlake.executor.protocol import Reporter, StarlakeCounts, Stream


class Output:
    """Passes on lines with secrets masked, reads the row counts from them, and keeps those that say why it failed.

    Args:
        redactor: Masks the secrets.
        report: Where lines go.
    """

    def __init__(self, redactor: Redactor, report: Reporter) -> None:
        self._redactor = redactor
        self._report = report
        self._reader = CountsReader()
        self._excerpt = Excerpt()

    def take(self, stream: Stream, line: str) -> None:
        """Takes the next line."""
        masked = self._redactor.mask(line)
        self._excerpt.take(masked)
        if stream == "stdout":
            self._reader.read(line)
        self._report.output(stream, masked)

    @property
    def tail(self) -> list[str]:
        """The lines that say why the command failed, secrets masked; see `Excerpt`."""
        return self._excerpt.lines

    def counts(self) -> StarlakeCounts | None:
        """The row counts, if there were any; says so when they could not be read."""
        if self._reader.problem:
            self._report.warning(self._redactor.mask(self._reader.problem))
        return self._reader.counts
