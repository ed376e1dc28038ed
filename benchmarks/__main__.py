"""Measures, shows each line when it is known and then a table, and optionally writes it down as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from benchmarks.engine import ROWS, engine
from benchmarks.machine import machine
from benchmarks.suites import ELSEWHERE, SUITES
from benchmarks.table import line_of, table_of

_WIDTH = 150


@click.command(help=__doc__)
@click.argument("suites", nargs=-1, type=click.Choice(list(SUITES)))
@click.option(
    "--repetitions", "-r", default=5, show_default=True, type=click.IntRange(1), help="Pairs per measurement."
)
@click.option(
    "--rows", default=ROWS, show_default=True, type=click.IntRange(1), help="Rows of the engine's large load."
)
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too.")
def main(suites: tuple[str, ...], repetitions: int, rows: int, file: Path | None) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH)
    system = machine()
    found = []
    measures = {**SUITES, "engine": partial(engine, rows=rows)}
    for name in suites or [each for each in measures if each not in ELSEWHERE]:
        with console.status(f"measuring: {name}"):
            for one in measures[name](repetitions):
                console.print(line_of(one), highlight=False, soft_wrap=True)
                found.append(one)
    console.print(table_of(found))
    console.print("; ".join(f"{name}: {value}" for name, value in system.items()))
    if file:
        figures = [{**asdict(one), "ratio": one.ratio, "met": one.met} for one in found]
        file.write_text(json.dumps({"machine": system, "figures": figures}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
