"""Tables in the pages."""

from __future__ import annotations

import re


def rows_of(page: str, section: str, number: int = 0) -> list[list[str]]:
    """Return the cells of a table in a section of a page, without its head.

    Args:
        page: Text of the page.
        section: Heading of the section, of the second level.
        number: Position of the table in the section; the first one is 0.
    """
    text = page.partition(f"## {section}\n")[2].partition("\n## ")[0]
    table = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)[number]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def names(cell: str) -> list[str]:
    """Return the names in a cell: its parts in backticks."""
    return re.findall(r"`([^`]+)`", cell)
