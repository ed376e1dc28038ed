"""The expectation macros of the starter project: each holds on good rows, fails on bad ones, and is documented."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.embedded.conftest import Workshop

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "ai/starlake/embedded/cli/templates/starter/metadata/expectations"
MACROS = {
    f"{file.stem}.{name}({arguments})": re.sub(r"\s+", " ", comment)
    for file in sorted(LIBRARY.glob("*.j2"))
    for comment, name, arguments in re.findall(
        r"(\S[^\n]*)\n\{% macro (\w+)\((.*?)\) %\}", file.read_text(encoding="utf-8")
    )
}
TODAY = datetime.now(timezone.utc).date()


def ago(days: int) -> str:
    return str(TODAY - timedelta(days=days))


def numbers(*values: object) -> list[str]:
    return [f"{place},,{value},," for place, value in enumerate(values, 1)]


def texts(*values: str) -> list[str]:
    return [f"{place},{value},,," for place, value in enumerate(values, 1)]


def days(*values: str) -> list[str]:
    return [f"{place},,,{value}," for place, value in enumerate(values, 1)]


class Pair(NamedTuple):
    """An expectation, rows of ``id,name,amount,day,until`` that meet it, and rows that do not."""

    call: str
    good: Sequence[str]
    bad: Sequence[str]


PAIRS = (
    Pair("completeness.not_null('name')", texts("a", "b"), texts("a", "")),
    Pair("completeness.not_null_ratio('name', 0.5)", texts("a", ""), texts("a", "", "")),
    Pair("completeness.not_empty_text('name')", texts("a", ""), texts("a", "  ")),
    Pair("completeness.filled_when('day', \"name = 'paid'\")", ["1,paid,,2026-01-01,", "2,open,,,"], ["1,paid,,,"]),
    Pair("uniqueness.unique('name')", texts("a", "b", "", ""), texts("a", "b", "a")),
    Pair("uniqueness.unique_together(['name', 'amount'])", ["1,a,1,,", "2,a,2,,", "3,a,,,", "4,a,,,"], ["1,a,1,,"] * 2),
    Pair("uniqueness.no_duplicate_rows()", ["1,a,,,", "2,a,,,"], ["1,a,,,", "1,a,,,"]),
    Pair("validity.between('amount', 0, 10)", numbers(0, 10, ""), numbers(0, 10.5)),
    Pair("validity.one_of('name', ['open', \"o'clock\"])", texts("open", "o'clock", ""), texts("open", "shut")),
    Pair("validity.matches('name', '[A-Z]|[0-9]+')", texts("A", "12", ""), texts("A", "A2")),
    Pair("validity.no_match('name', \"[<>']\")", texts("a", ""), texts("a", "it's")),
    Pair("validity.length_between('name', 2, 3)", texts("aa", "éèê", ""), texts("aa", "aaaa")),
    Pair(
        "validity.in_order('day', 'until')",
        ["1,,,2026-01-01,2026-01-01", "2,,,2026-01-01,"],
        ["1,,,2026-01-02,2026-01-01"],
    ),
    Pair("validity.holds('amount > 0 OR name IS NULL')", ["1,a,1,,", "2,,0,,"], ["1,a,0,,"]),
    Pair("volume.at_least(2)", texts("a", "b"), texts("a")),
    Pair("volume.at_most(1)", texts("a"), texts("a", "b")),
    Pair("volume.row_count_between(2, 3)", texts("a", "b", "c"), texts("a", "b", "c", "d")),
    Pair("freshness.not_older_than('day', 5)", days(ago(100), ago(3), ""), days(ago(100), ago(8))),
    Pair("freshness.no_future_dates('day')", days(ago(3), ""), days(ago(3), ago(-3))),
    Pair("freshness.no_missing_days('day')", days("2026-02-28", "2026-03-01"), days("2026-02-28", "2026-03-02")),
    Pair("referential.references('name', 'shop.codes', 'code')", texts("a", "a", ""), texts("a", "z")),
    Pair("referential.covers('name', 'shop.codes', 'code')", texts("a", "b", "c"), texts("a", "")),
    Pair("statistics.sum_between('amount', 9, 10)", numbers(4, 5.5, ""), numbers(4, 4)),
    Pair("statistics.mean_between('amount', 4, 5)", numbers(4, 5, ""), numbers("", "")),
    Pair("statistics.no_outliers('amount', 2)", numbers(1, 2, 1, 2, 1, 2), numbers(1, 2, 1, 2, 1, 2, 99)),
    Pair("statistics.increasing('amount', 'id')", numbers(1, 2, "", 3), numbers(1, 2, 2)),
)


def named(call: str) -> str:
    return call.partition("(")[0]


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> dict[str, tuple[object, ...]]:
    """Load the rows of all pairs, each into a table of its own, and return the audit of its expectation."""
    shop = Workshop(tmp_path_factory.mktemp("library") / "project")
    shutil.copytree(LIBRARY, shop.root / "metadata/expectations")
    columns = {"id": "long", "name": "string", "amount": "double", "day": "date", "until": "date"}
    attributes = [{"name": name, "type": kind, "trim": "NONE"} for name, kind in columns.items()]
    shop.table("codes", {"code": "string"})
    shop.put("codes.csv", "code\na\nb\n")
    assert shop.engine.load().failures == ()
    for place, pair in enumerate(PAIRS):
        for name, rows in ((f"good{place:02}", pair.good), (f"bad{place:02}", pair.bad)):
            shop.table(name, attributes, expectations=[{"expect": pair.call}])
            shop.put(f"{name}.csv", "\n".join([",".join(columns), *rows]) + "\n")
    loaded = shop.engine.load()
    count = sum(len(rows) for pair in PAIRS for rows in (pair.good, pair.bad))
    assert (loaded.accepted_count, loaded.rejected_count) == (count, 0)
    found = shop.query("SELECT schema, success, coalesce(exception, ''), count > 0 FROM audit.expectations")
    assert len(found) == 2 * len(PAIRS)
    return {name: tuple(facts) for name, *facts in found}


@pytest.mark.parametrize("place", range(len(PAIRS)), ids=[named(pair.call) for pair in PAIRS])
def test_holds_on_good_rows_and_fails_on_bad_ones(checked, place: int) -> None:
    assert checked[f"good{place:02}"][:2] == (True, "")
    assert checked[f"bad{place:02}"] == (False, "", True)


def test_every_macro_has_such_a_pair() -> None:
    assert sorted(named(pair.call) for pair in PAIRS) == sorted(named(macro) for macro in MACROS)
    assert len({named(macro).partition(".")[2] for macro in MACROS}) == len(MACROS), "macros of all files share names"


def test_every_macro_is_explained_above_it() -> None:
    unexplained = [
        macro for macro, comment in MACROS.items() if not comment.startswith(f"{{#- {macro.partition('.')[2]}: ")
    ]
    assert unexplained == []


def test_every_macro_is_documented_as_it_is() -> None:
    text = (ROOT / "docs/expectations.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+\.\w+\(.*?\))` \| (.*?) \|$", text, flags=re.MULTILINE)
    says = {macro: comment.partition(": ")[2].removesuffix(". -#}") for macro, comment in MACROS.items()}
    assert dict(table) == says
    assert len(table) == len(says)
