"""The blocks of code on the pages, and who runs them: ``python -m tests.documentation.code_blocks`` counts them.

``test_code_blocks.py`` runs or checks a block by its language, unless a comment above the block says otherwise:

- ``<!-- run by tests/x/test_y.py -->``: another test, which names the page, runs it, in a room that it needs.
- ``<!-- not run: reason -->``: nobody runs it.
- ``<!-- setup: code -->``: what comes before the block when it is run, such as a name that readers have of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "samples/**/*.md", "packages/*/*.md", "benchmarks/*.md")
    for page in ROOT.glob(pattern)
)
PLAIN = {"text"}
"""Languages of what is shown only: output and messages."""
RUN = {"python"}
CHECKED = {"bash", "console", "dockerfile", "ini", "jinja", "json", "sql", "toml", "yaml"}

_BLOCK = re.compile(
    r'^(?P<indent> *)```(?P<language>[\w-]*)(?: title="(?P<title>[^"]+)")?[^\n]*\n(?P<text>.*?)^(?P=indent)```$',
    re.M | re.S,
)
_MARKS = re.compile(r"<!-- (?P<kind>run by|not run:|setup:)\s(?P<value>(?:(?!-->).)*?)\s*-->\s*\Z", re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Args:
        page: The page, relative to the repository.
        line: The line of its first line of code.
        language: What stands beside the fence.
        text: The code.
        mark: What the comment above says about it: "run by", "not run" or "setup".
        value: What follows in that comment.
        title: The file that the block is the text of, where the fence names one.
    """

    page: str
    line: int
    language: str
    text: str
    mark: str = ""
    value: str = ""
    title: str = ""

    @property
    def place(self) -> str:
        """Return page and line, as editors open them."""
        return f"{self.page}:{self.line}"

    @property
    def treatment(self) -> str:
        """Return "run", "checked", "run by", "not run" or "shown"; an empty string if nobody knows."""
        if self.mark in ("run by", "not run"):
            return self.mark
        if self.language in RUN:
            return "run"
        return "checked" if self.language in CHECKED else "shown" if self.language in PLAIN else ""


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    text = page.read_text("utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        marks = _MARKS.search(text[: block.start()])
        kind, value = (marks["kind"].rstrip(":"), marks["value"]) if marks else ("", "")
        code = "".join(line.removeprefix(block["indent"]) for line in block["text"].splitlines(keepends=True))
        line = text.count("\n", 0, block.start("text")) + 1
        place = str(page.relative_to(ROOT))
        found.append(Block(place, line, block["language"], code, kind, value, block["title"] or ""))
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def counts() -> Counter[str]:
    """Return how many blocks are treated how."""
    return Counter(block.treatment for block in BLOCKS)


def report() -> str:
    """Return the counts in one line."""
    found = counts()
    return (
        f"{sum(found.values()) - found['shown']} blocks of code on {len({block.page for block in BLOCKS})} pages: "
        f"{found['run']} run here, {found['run by']} run by other tests, {found['checked']} checked, "
        f"{found['not run']} not run"
    )


if __name__ == "__main__":
    print(report())
    for block in BLOCKS:
        if block.treatment == "not run":
            print(f"  {block.place} is not run: {block.value}")
