"""The pages of docs/reference are those that `make docs-reference` writes."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_pages_are_those_of_the_code(reference: ModuleType) -> None:
    written = {file.name: file.read_text("utf-8") for file in (DOCS / "reference").glob("*.md")}
    made = {name: make() for name, make in reference.PAGES.items()}
    assert sorted(written) == sorted(made)
    assert [name for name in made if written[name] != made[name]] == [], "run `make docs-reference`"


def test_every_option_says_what_it_is(reference: ModuleType) -> None:
    fields = [field for *_, model, _ in reference.SECTIONS for field in model.model_fields.items()]
    assert len(fields) > 100
    assert [name for name, field in fields if not field.description] == []


@pytest.mark.parametrize("name", ["api-dagster.md", "api-airflow.md", "api-executors.md"])
def test_classes_that_users_call_show_the_methods_of_their_bases(name: str) -> None:
    page = (DOCS / "reference" / name).read_text("utf-8")
    classes = re.findall(r"^::: \S+(?:Job|Executor|Contract|Backend)$(.*\n.*)", page, re.MULTILINE)
    assert len(classes) > 2
    assert {part.split()[0] for part in classes} == {"options:"}
