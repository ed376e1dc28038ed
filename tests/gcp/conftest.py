"""Shared parts of the tests of both services: the tables of outcomes on their pages, which are measured."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import filelock
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
LOCK = Path(tempfile.gettempdir(), "starlake-docs-gcp.lock")
CODES = (
    "UNAVAILABLE",
    "INTERNAL",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "ABORTED",
    "UNKNOWN",
    "CANCELLED",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "DATA_LOSS",
)
"""All codes that are errors."""
WHENS = ("before", "after")


GROUPS = {"ANY": CODES, "PASSING": CODES[:8]}
"""Words of the table that stand for several codes."""


def listed(by_code: dict[str, str], outcome: str) -> str:
    codes = [code for code in CODES if by_code.get(code) == outcome]
    for word, group in GROUPS.items():
        if set(group) <= set(codes):
            codes = [word, *(code for code in codes if code not in group)]
    return ", ".join(f"`{code}`" for code in codes)


class OutcomeTable:
    """The table between ``<!-- outcomes of SERVICE -->`` and ``<!-- end of outcomes of SERVICE -->``.

    A row stands for a method, for whether a fault strikes before or after the side effect, and for what comes of it; it
    lists the codes of which that comes.
    With ``UPDATE_DOCS=1`` in the environment what was measured is written down, else it is compared.
    """

    codes = CODES
    whens = WHENS

    def __init__(self, service: str) -> None:
        self.service = service
        self.page = DOCS / f"{service.lower().replace(' ', '-')}.md"
        marker = f"outcomes of {service}"
        self._pattern = re.compile(rf"(?<=<!-- {marker} -->\n).*?(?=<!-- end of {marker} -->)", re.DOTALL)

    def rows(self) -> dict[tuple[str, str], dict[str, str]]:
        """Return the outcomes by code that are written down, by method and by when the fault strikes."""
        found = self._pattern.search(self.page.read_text("utf-8"))
        assert found, f"{self.page.name} has no table of the outcomes of {self.service}"
        cells = [[cell.strip(" `") for cell in line.strip("| ").split("|")] for line in found[0].splitlines()]
        rows: dict[tuple[str, str], dict[str, str]] = {}
        for method, when, outcome, codes in (row for row in cells[2:] if len(row) == 4):
            named = [code for word in re.findall(r"[A-Z_]+", codes) for code in GROUPS.get(word, (word,))]
            rows.setdefault((method, when), {}).update(dict.fromkeys(named, outcome))
        return rows

    def require(self, method: str, when: str, outcomes: dict[str, str]) -> None:
        """Make sure that a row says what was measured.

        Args:
            method: The method that the faults struck.
            when: ``before`` or ``after`` the side effect.
            outcomes: What came of it, by code.
        """
        measured = {code: outcomes[code] for code in CODES}
        if os.environ.get("UPDATE_DOCS"):
            with filelock.FileLock(LOCK):
                self._write({**self.rows(), (method, when): measured})
        assert self.rows().get((method, when)) == measured, "set UPDATE_DOCS=1 to write down what was measured"

    def require_only(self, methods: tuple[str, ...]) -> None:
        """Check that there is a row for each method and time, and no other."""
        wanted = [(method, when) for method in methods for when in WHENS]
        if os.environ.get("UPDATE_DOCS"):
            with filelock.FileLock(LOCK):
                rows = self.rows()
                self._write({key: rows.get(key, {}) for key in wanted})
        assert list(self.rows()) == wanted

    def _write(self, rows: dict[tuple[str, str], dict[str, str]]) -> None:
        head = ["| call | fault | what comes of it | codes |", "|---|---|---|---|"]
        lines = [
            f"| `{method}` | {when} | {outcome} | {listed(by_code, outcome)} |"
            for (method, when), by_code in rows.items()
            for outcome in dict.fromkeys(by_code[code] for code in CODES if code in by_code)
        ]
        text = "\n".join([*head, *lines]) + "\n"
        self.page.write_text(self._pattern.sub(lambda _: text, self.page.read_text("utf-8")), "utf-8")


@pytest.fixture
def outcome_table():
    """Return the tables of outcomes: `outcome_table("Cloud Run")`."""
    return OutcomeTable
