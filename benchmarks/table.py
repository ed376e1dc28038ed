"""Display of measurements."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from benchmarks.comparison import Comparison


def table_of(comparisons: Iterable[Comparison]) -> Table:
    """Return a table: one line per comparison, medians, with the spread of ours."""
    table = Table("what", "ours", "(min - max)", "limit", "ratio", "goal", "", title="Medians; lower is better")
    for number in ("ours", "(min - max)", "limit", "ratio", "goal"):
        next(column for column in table.columns if column.header == number).justify = "right"
    for one in comparisons:
        spread = f"{_number(min(one.ours))} - {_number(max(one.ours))}"
        limit = "" if one.limit_median is None else f"{_number(one.limit_median)} {one.unit}"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}x"
        verdict = {True: "[green]met", False: "[red]missed", None: ""}[one.met]
        table.add_row(one.what, f"{_number(one.our_median)} {one.unit}", spread, limit, ratio, _goal(one), verdict)
    return table


def line_of(one: Comparison) -> str:
    """One comparison on a line, for those who wait for the table."""
    limit = "" if one.limit_median is None else f" (limit {_number(one.limit_median)} {one.unit}, {one.ratio:.2f}x)"
    return f"{one.what}: {_number(one.our_median)} {one.unit}{limit}"


def _goal(one: Comparison) -> str:
    if one.goal is None:
        return ""
    return f"<= {one.goal:g} {one.unit}".rstrip() if one.ratio is None else f"<= {one.goal:g}x"


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"
