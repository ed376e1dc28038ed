"""Read the output of a command: its lines, its row counts, and the lines that explain a failure."""

from __future__ import annotations

import re
from dataclasses import replace

from ai.starlake.common import Redactor
from ai.starlake.executor.failures import Excerpt
from ai.starlake.executor.outcomes import StarlakeCounts
from ai.starlake.executor.protocol import Reporter, Stream

_MARKER = "IngestionCounters:"
_COUNTERS = [re.compile(rf'"{name}Count"\s*:\s*(-?\d+)\s*[,}}]') for name in ("input", "accepted", "rejected")]
_WARNINGS = re.compile(r'"warningCount"\s*:\s*(\d+)\s*[,}]')
_SUMMARY = re.compile(r"^\s*(Input records|Accepted|Rejected)\s*:\s*(-?\d+)\s*$")


class CountsReader:
    """Reads the counts from the lines that `starlake load` prints.

    With SL_API set it prints one line ``IngestionCounters:{"inputCount":3,...}`` for all of its jobs; without, and in
    older versions, a block of ``Input records: 3``, ``Accepted: 2``, ``Rejected: 1`` per job. The former takes
    precedence; several of either kind are added up.

    A native load does not know the number of its rejects and prints -1; negative numbers count as 0.
    """

    def __init__(self) -> None:
        self.problem: str | None = None
        self._counters: StarlakeCounts | None = None
        self._summaries: StarlakeCounts | None = None
        self._block: dict[str, int] = {}

    @property
    def counts(self) -> StarlakeCounts | None:
        """The counts so far; None if no line had counts."""
        if self._counters is None or self._summaries is None:
            return self._counters or self._summaries
        return replace(self._counters, lost_files=self._summaries.lost_files)

    def read(self, line: str) -> None:
        """Read the next line. A line never raises; invalid counts are recorded as a `problem`."""
        if _MARKER in line:
            self._read_counters(line.partition(_MARKER)[2])
        elif summary := _SUMMARY.match(line):
            self._read_summary(summary[1], int(summary[2]))

    def _read_counters(self, text: str) -> None:
        # A JSON parser does not work here: the list of paths behind the counts can be so long that the line comes in
        # pieces.
        found = [pattern.search(text) for pattern in _COUNTERS]
        numbers = [int(match[1]) for match in found if match]
        if len(numbers) < len(_COUNTERS):
            self.problem = f"the row counts that Starlake printed cannot be read: {_MARKER}{text[:200]}"
            return
        warnings = _WARNINGS.search(text)
        numbers.append(int(warnings[1]) if warnings else 0)
        self._counters = _add(self._counters, numbers, files='"paths"' in text)

    def _read_summary(self, name: str, number: int) -> None:
        self._block[name] = number
        if len(self._block) == len(_COUNTERS):
            block = self._block
            numbers = [block["Input records"], block["Accepted"], block["Rejected"]]
            self._summaries = _add(self._summaries, numbers, files=True)
            self._block = {}


def _add(counts: StarlakeCounts | None, numbers: list[int], *, files: bool) -> StarlakeCounts:
    rows, accepted, rejected, *warnings = (max(0, number) for number in numbers)
    lost = int(accepted == 0 and rejected > 0)
    more = StarlakeCounts(rows, accepted, rejected, sum(warnings), files=files, lost_files=lost)
    return more if counts is None else counts + more


class CommandOutput:
    """Passes on lines with secrets masked, reads the row counts from them, and keeps those that explain a failure.

    Args:
        redactor: Masks the secrets.
        report: Receives the lines.
    """

    def __init__(self, redactor: Redactor, report: Reporter) -> None:
        self._redactor = redactor
        self._report = report
        self._reader = CountsReader()
        self._excerpt = Excerpt()

    def take(self, stream: Stream, line: str) -> None:
        """Read the next line."""
        masked = self._redactor.mask(line)
        self._excerpt.take(masked)
        if stream == "stdout":
            self._reader.read(line)
        self._report.output(stream, masked)

    @property
    def tail(self) -> list[str]:
        """The lines that explain why the command failed, secrets masked; see `Excerpt`."""
        return self._excerpt.lines

    def counts(self) -> StarlakeCounts | None:
        """Return the row counts, if any; report counts that could not be read."""
        if self._reader.problem:
            self._report.warning(self._redactor.mask(self._reader.problem))
        return self._reader.counts
