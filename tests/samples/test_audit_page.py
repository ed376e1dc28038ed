"""The examples of docs/audit.md work as they stand, and its errors are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dagster import Definitions

from ai.starlake.dagster import StarlakeDagsterFacade
from ai.starlake.project.audit import open_audit
from ai.starlake.project.audit.dialects import words_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
URLS = re.findall(r"^\| `(\w+(?:\+\w+)?://\S+)`", PAGE, re.MULTILINE)


@pytest.mark.parametrize("block", PYTHON, ids=["url", "reference"])
def test_a_facade_is_made_without_any_connection(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDIT_URL", raising=False)
    namespace: dict[str, object] = {}
    exec(block.replace("/data/shop", str(ROOT / "samples" / "starbake")), namespace)
    facade = namespace["facade"]
    assert isinstance(facade, StarlakeDagsterFacade)
    definitions = facade.create_definitions("prod")
    assert isinstance(definitions, Definitions)
    assert "secret@" not in repr(facade.settings)


@pytest.mark.parametrize("url", URLS)
def test_urls_are_of_databases_that_can_be_asked(url: str) -> None:
    assert words_of(url.partition("://")[0].partition("+")[0])
    assert "password" not in open_audit(url).name


def test_errors_are_quoted_as_they_are() -> None:
    sources = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "ai/starlake/project/audit").glob("*.py"))
    assert "does not exist, or the user may not see it" in sources
    assert "is one of JDBC" in sources
    assert len(URLS) == 3
