"""The lists of docs/warm.md are true; `tests/documentation` runs its code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ai.starlake.dagster.shell import ShellOptions
from tests.documentation.test_troubleshooting import strings

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/warm.md").read_text("utf-8")
MESSAGES = re.findall(r"^\| `([^|]*)` \|", PAGE.partition("## Troubleshooting")[2].partition("\n## ")[0], re.M)
SHOWN = ["the command runs as a process, not in a warm server:", "a warm server was started (process "]


def options_table() -> str:
    rows = ["| option | default | |", "|---|---|---|"]
    for name, field in ShellOptions.model_fields.items():
        if name.startswith("warm"):
            default = {None: "", True: "`true`", False: "`false`"}.get(field.default, f"`{field.default}`")
            rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows)


def test_the_options_are_those_of_the_code() -> None:
    found = PAGE.partition("<!-- options -->\n")[2].partition("\n<!-- end of options -->")[0]
    assert found == options_table(), f"docs/warm.md should have:\n{options_table()}"


def test_the_page_lists_the_warnings() -> None:
    assert len(MESSAGES) > 10


@pytest.mark.parametrize("message", [*MESSAGES, *SHOWN])
def test_a_message_is_one_of_the_code(message: str) -> None:
    parts = [part.strip(": ") for part in message.split("…")]  # which the code may put together
    assert [part for part in parts if part not in strings()] == []
    assert message in PAGE
