"""The headings of docs/troubleshooting.md are messages of the code, with `…` for what differs from case to case."""

from __future__ import annotations

import ast
import difflib
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
MESSAGES = [heading.strip("` ") for heading in re.findall(r"^### (.*)$", PAGE, re.MULTILINE)]


def text_of(node: ast.expr) -> str:
    """Return a string as on the page; an empty one for other values."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@cache
def strings() -> str:
    """Return all strings of the library, a line each."""
    trees = (ast.parse(file.read_text("utf-8")) for file in (ROOT / "ai" / "starlake").rglob("*.py"))
    found = {
        text_of(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.Constant)
    }
    return "\n".join(sorted(found))


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_code(message: str) -> None:
    words = [re.escape(part) for part in message.split("…")]
    pattern = "[^\n]*".join(words)
    if not re.search(pattern, strings()):
        near = difflib.get_close_matches(message, strings().splitlines(), 3)
        pytest.fail(f"docs/troubleshooting.md has {message!r}, which the code does not say any more; it says {near}")


def test_the_page_has_the_messages_that_users_meet() -> None:
    assert len(MESSAGES) > 25
    assert len(MESSAGES) == len(set(MESSAGES))
    assert not re.search("is not a message of anybody", strings())
