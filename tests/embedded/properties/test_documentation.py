"""Every link of the pages about the engine points to a test, or to a golden case that passes."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = {
    name: (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
    for name in ("embedded", "engine-differences", "engine-conformance")
}
LINKS = sorted({link for text in PAGES.values() for link in re.findall(r"`(golden:[^`]+|tests/[^`]+::[^`]+)`", text)})
CASES = ROOT / "tests/golden/cases"


@cache
def functions(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("link", LINKS)
def test_link(link):
    kind, _, name = link.partition(":")
    if kind == "golden":
        assert (CASES / name / "case.json").is_file()
        assert name not in (ROOT / "tests/golden/not_yet.txt").read_text(encoding="utf-8").split()
    else:
        file, _, function = link.partition("::")
        assert function in functions(file)


def rows(page):
    table = re.search(r"(?:^\|.*\n)+", PAGES[page], re.MULTILINE)
    lines = [line.strip("| ").split(" | ") for line in table[0].splitlines()]
    return lines[2:]


@pytest.mark.parametrize("page", ["engine-differences", "engine-conformance"])
def test_each_line_is_asserted(page):
    facts = [cells for cells in rows(page) if "**" not in cells[0]]
    assert len(facts) > 30
    assert [cells for cells in facts if not re.search(r"`(golden|tests/)", cells[-1])] == []


def test_facts_are_numbered_once():
    numbers = [cells[0] for cells in rows("engine-conformance")]
    assert len(numbers) == len(set(numbers))
