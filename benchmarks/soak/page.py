"""Writes docs/reliability.md of what the trials found. Nothing in it is typed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.soak.results import Result
from benchmarks.soak.trial import KINDS, Trial

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
_HEAD = """\
# Reliability

What must never happen, tried on purpose: real processes, real signals, a real `dagster dev`, full disks, and a Google
Cloud whose answers get lost. This page is written by `make soak`.

```bash
make soak                                  # all trials, {minutes} minutes at most; writes this page
make soak SHARE=0.1                        # a tenth of the attempts
make soak TRIALS="calendars remote_faults"  # some of them; the others keep what they found before
```

**Lost** and **doubled** count rows, files and events, against what should be there. **Leaked** counts what is left
behind: processes, Spark jobs, clusters, executions, files in the ingesting area. **False green** and **false red** are
runs or commands that reported success or failure, and were something else.
"""


def page(results: Mapping[str, Result], trials: Mapping[str, Trial]) -> str:
    """Return the text of the page."""
    known = {name: results[name] for name in trials if name in results}
    minutes = round(sum(trial.seconds for trial in trials.values()) / 60)
    return "\n".join([_HEAD.format(minutes=minutes), *_table(known, trials), *_sections(known, trials)])


def _table(results: Mapping[str, Result], trials: Mapping[str, Trial]) -> Iterator[str]:
    yield f"| trial | tried | {' | '.join(KINDS)} |"
    yield f"| --- | --: |{' --: |' * len(KINDS)}"
    for name, result in results.items():
        tally = result.tally
        cells = [f"[{trials[name].title}](#{_anchor(trials[name].title)})", f"{tally.tried:,}"]
        yield f"| {' | '.join([*cells, *(f'{tally.found[kind]:,}' for kind in KINDS)])} |"
    yield ""


def _sections(results: Mapping[str, Result], trials: Mapping[str, Trial]) -> Iterator[str]:
    yield from _machines(results)
    for name, result in results.items():
        trial = trials[name]
        yield f"## {trial.title}\n"
        yield f"{trial.text}\n"
        each = f", {result.seconds / result.tally.tried:.2f} s per attempt" if result.tally.tried else ""
        load = " to ".join(f"{number:g}" for number in dict.fromkeys(result.load))
        yield f"{result.date} UTC, {result.seconds:,.0f} seconds{each}, load average {load}."
        if result.tally.tried < trial.attempts:
            yield f"`make soak` makes {trial.attempts:,} attempts; these were {result.tally.tried:,}."
        if result.error:
            yield f"\n**It ended early:** `{result.error.splitlines()[0]}`"
        yield ""
        yield from _facts(result)


def _facts(result: Result) -> Iterator[str]:
    for fact, number in result.tally.facts.items():
        yield f"- {fact}: {number:,g}" if number < 100 else f"- {fact}: {number:,.0f}"
    for defect in result.tally.defects:
        yield f"- **{defect.splitlines()[0]}**"
    if result.tally.facts or result.tally.defects:
        yield ""


def _machines(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield the machine and the versions; those of each trial where they differ."""
    machines = {tuple(sorted(result.machine.items())): name for name, result in results.items()}
    for found, last in machines.items():
        of = f" (`{last}` and others)" if len(machines) > 1 else ""
        yield f"Machine{of}: {'; '.join(f'{name} {value}' for name, value in found)}.\n"


def _anchor(title: str) -> str:
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")
