"""Sentences that users meet: errors, logs, `--help`, options. They are short, and use the standard terms."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "ai" / "starlake").rglob("*.py"))
USER_FACING = re.compile(
    r"Error$|BadParameter|UsageError|Finding$|SkipReason|^(error|warning|info|echo|tell|warn|print|__init__|option|argument|"
    r"command|Option|Field|finding|Failure|add_argument|_print|output)$"
)
"""Functions whose strings reach users, by the last part of their names."""
AVOIDED = {
    r"(?<!there )\b(is|are|was) no (?!longer|more|need)\w+": "is not a ...",
    r"(?<!there )\b(is|are) none\b": "is None, or is not valid",
    r"\bcounts? more\b": "takes precedence",
    r"\blooks? (at|whether)\b|\blooked at\b|\btwo looks\b": "polls, waits, checks, reads",
    r"\bmoments?\b": "timestamp",
    r"\bthe original\b": "Starlake",
    r"\bthe zone\b|\ba zone\b": "time zone",
    r"\bthat is there\b": "existing",
    r"\bsays not\b|\bis told\b": "another sentence",
}


def strings_of(call: ast.Call) -> Iterator[tuple[int, str]]:
    """The strings of a call, those of f-strings with a word in place of each value."""
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        for node in ast.walk(argument):
            if isinstance(node, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "VALUE" for part in node.values]
                yield node.lineno, "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.lineno, node.value


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def sentences(file: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and USER_FACING.search(name_of(node.func)):
            yield from strings_of(node)
        elif isinstance(node, ast.FunctionDef) and any(map(is_command, node.decorator_list)):
            yield node.lineno, ast.get_docstring(node) or ""


@functools.cache
def all_sentences() -> list[tuple[str, str]]:
    """All sentences, with the places where they are."""
    return [(f"{file.relative_to(ROOT)}:{line}", text) for file in SOURCES for line, text in sentences(file)]


def is_command(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and name_of(decorator.func) in ("command", "group")


@pytest.mark.parametrize("pattern", AVOIDED)
def test_sentences_for_users_use_the_standard_terms(pattern: str) -> None:
    found = {
        f"{place}: {text}" for place, text in all_sentences() if re.search(pattern, text) and not text.isidentifier()
    }
    assert not found, f"write {AVOIDED[pattern]} instead:\n" + "\n".join(sorted(found))
