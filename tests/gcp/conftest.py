"""What the tests of both services share: the table of outcomes in docs/gcp.md, which the fault matrices measure."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import filelock
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs" / "gcp.md"
LOCK = Path(tempfile.gettempdir(), "starlake-docs-gcp.lock")
CODES = ("UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED")
WHENS = ("before", "after")


class OutcomeTable:
    """The table between ``<!-- outcomes of SERVICE -->`` and ``<!-- end of outcomes of SERVICE -->``.

    A row stands for a method, and for whether a fault strikes before or after the side effect; a column for a code.
    With ``UPDATE_DOCS=1`` in the environment what was measured is written down, else it is compared.
    """

    codes = CODES
    whens = WHENS

    def __init__(self, service: str) -> None:
        self.service = service
        marker = f"outcomes of {service}"
        self._pattern = re.compile(rf"(?<=<!-- {marker} -->\n).*?(?=<!-- end of {marker} -->)", re.DOTALL)

    def rows(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """What is written down, by method and moment."""
        found = self._pattern.search(DOCS.read_text("utf-8"))
        assert found, f"docs/gcp.md has no table of the outcomes of {self.service}"
        cells = [[cell.strip(" `") for cell in line.strip("| ").split("|")] for line in found[0].splitlines()]
        return {(row[0], row[1]): tuple(row[2:]) for row in cells[2:] if len(row) > 2}

    def require(self, method: str, when: str, outcomes: dict[str, str]) -> None:
        """Makes sure that a row says what was measured.

        Args:
            method: The method that the faults struck.
            when: ``before`` or ``after`` the side effect.
            outcomes: What came of it, by code.
        """
        measured = tuple(outcomes[code] for code in CODES)
        if os.environ.get("UPDATE_DOCS"):
            with filelock.FileLock(LOCK):
                self._write({**self.rows(), (method, when): measured})
        assert self.rows().get((method, when)) == measured, "set UPDATE_DOCS=1 to write down what was measured"

    def require_only(self, methods: tuple[str, ...]) -> None:
        """Makes sure that there is a row for each method and moment, and no other."""
        wanted = [(method, when) for method in methods for when in WHENS]
        if os.environ.get("UPDATE_DOCS"):
            with filelock.FileLock(LOCK):
                rows = self.rows()
                self._write({key: rows.get(key, ("?",) * len(CODES)) for key in wanted})
        assert list(self.rows()) == wanted

    def _write(self, rows: dict[tuple[str, str], tuple[str, ...]]) -> None:
        head = ["| call | fault | " + " | ".join(f"`{code}`" for code in CODES) + " |", "|---" * (len(CODES) + 2) + "|"]
        lines = [f"| `{method}` | {when} | {' | '.join(cells)} |" for (method, when), cells in rows.items()]
        text = "\n".join([*head, *lines]) + "\n"
        DOCS.write_text(self._pattern.sub(lambda _: text, DOCS.read_text("utf-8")), "utf-8")


@pytest.fixture
def outcome_table():
    """The tables of outcomes: `outcome_table("Cloud Run")`."""
    return OutcomeTable
