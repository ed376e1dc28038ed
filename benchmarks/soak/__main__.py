"""Tries what must never happen, writes down what was found, and makes docs/reliability.md of it.

TRIALS are those to run; all without one. Ends with 1 if a trial found a defect or did not come to its end.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from benchmarks.soak.catalog import TRIALS
from benchmarks.soak.page import PAGE, page
from benchmarks.soak.results import Result, all_results, measured

LOGS = Path(".bench") / "soak"
"""Output of trials."""


@click.command(help=__doc__)
@click.argument("trials", nargs=-1, type=click.Choice(list(TRIALS)))
@click.option(
    "--share", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="Part of the attempts to make."
)
@click.option("--patience", default=1.0, show_default=True, help="Factor for all time limits, on a busy machine.")
@click.option("--page-only", is_flag=True, help="Run nothing: make the page of what was found before.")
def main(trials: tuple[str, ...], share: float, patience: float, *, page_only: bool) -> None:
    _undisturbed()
    found = [] if page_only else [_run(name, share, patience) for name in trials or TRIALS]
    PAGE.write_text(page(all_results(), TRIALS), encoding="utf-8")
    click.echo(f"wrote {PAGE}")
    sys.exit(not all(result.clean for result in found))


def _run(name: str, share: float, patience: float) -> Result:
    trial = TRIALS[name]
    click.echo(f"{name}: ", nl=False)
    with _output_to(LOGS / f"{name}.log"):
        result = measured(name, trial, max(1, round(trial.attempts * share)), patience)
    result.save()
    counts = ", ".join(f"{number} {kind}" for kind, number in result.tally.found.items())
    click.echo(f"{result.tally.tried} tried, {counts}; {result.seconds:.0f} s")
    for line in [*result.tally.defects, *filter(None, [result.error])]:
        click.echo(f"  {line}")
    return result


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Lets what this process and its children print go to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    kept = [os.dup(stream) for stream in (1, 2)]
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        yield
    finally:
        sys.stdout.flush()
        for stream, old in zip((1, 2), kept, strict=True):
            os.dup2(old, stream)
            os.close(old)


def _undisturbed() -> None:
    """Nothing of the caller's set-up reaches a trial, and an interruption reaches what trials start."""
    for variable in list(os.environ):
        if variable.startswith(("SL_", "DAGSTER_", "GCP_", "GOOGLE_")):
            del os.environ[variable]
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # an emulator has no answer to that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)


if __name__ == "__main__":
    main()
