"""The comparison with other integrations: each "yes" of ours names a test, and that test exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "comparison.md"
LINK = re.compile(r"\[[^\]]+\]\(\.\./(?P<file>tests/[\w/]+\.py) \"(?P<test>[\w.]+)\"\)")
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
LINKS = sorted({(link["file"], link["test"]) for row in ROWS for link in LINK.finditer(row)})


@cache
def names_in(file: str) -> set[str]:
    names = set()
    for node in ast.parse((ROOT / file).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return names


@pytest.mark.parametrize(("file", "test"), LINKS)
def test_each_test_that_the_page_names_exists(file: str, test: str) -> None:
    assert test in names_in(file)


def test_each_yes_of_ours_names_a_test() -> None:
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in ROWS]
    claims = [row for row in cells if len(row) > 1 and row[1].startswith("yes")]
    assert len(claims) > 20
    assert not [row[0] for row in claims if not LINK.search(row[1])]


def test_no_feature_is_compared_twice() -> None:
    features = [row.strip("|").split("|")[0].strip() for row in ROWS]
    named = [feature for feature in features if feature.strip(":-")]
    assert [feature for feature in sorted(set(named)) if named.count(feature) > 1] == []
