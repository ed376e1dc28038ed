"""docs/airflow.md: its code runs, its options are those of the models, and what it links to is there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ai.starlake.airflow.airflow_options import AirflowOptions
from ai.starlake.airflow.airflow_secrets import ConnectionReference, VariableReference
from tests.airflow.airflow_home import dag_bag, run_dag
from tests.bakery import SAMPLE

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "airflow.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
PROJECT = "/path/to/your/starlake/project"


def options_table() -> str:
    """Return the table of the options that Airflow has besides those of every job."""
    rows = ["| option | default | description |", "|---|---|---|"]
    for name, field in AirflowOptions.model_fields.items():
        if name in AirflowOptions.__annotations__:
            default = "" if field.default is None else f"`{field.default}`"
            rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows)


def test_the_options_are_those_of_the_model() -> None:
    found = re.search(r"<!-- options of Airflow -->\n(.*)\n<!-- end of options of Airflow -->", PAGE, re.DOTALL)
    assert found
    assert found[1] == options_table(), f"docs/airflow.md should have:\n{options_table()}"


def test_the_first_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "starbake"
    shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("datasets", "__pycache__"))
    monkeypatch.setenv("AIRFLOW_VAR_BAKERY_DB_PASSWORD", "s3cr3t/of+bakery")
    file = tmp_path / "first.py"
    file.write_text(PYTHON[0].replace(PROJECT, str(project)))
    done = run_dag(file)
    assert (done.state, set(done.tasks.values())) == ("success", {"success"})
    assert done.asset_events()["starbake_orders"]["rows_accepted"] == 234
    assert b"s3cr3t/of+bakery" not in done.database.read_bytes()


@pytest.mark.parametrize("number", range(1, len(PYTHON)))
def test_the_other_examples_load_without_a_word(number: int, tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(f"from airflow.sdk import DAG  # or it is taken for another file\n{PYTHON[number]}")
    bag = dag_bag(file)
    assert (bag.import_errors, bag.captured_warnings) == ({}, {})


def test_the_example_of_the_page_about_secrets_names_them_only() -> None:
    page = (DOCS / "secrets.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S) if "airflow" in block]
    scope: dict[str, Any] = {}
    exec(example, scope)
    environment = scope["sl_job"].sl_env_vars
    assert environment["DB_PASSWORD"] == ConnectionReference("warehouse", "password")
    assert environment["API_TOKEN"] == VariableReference("api_token")


def test_what_it_links_to_is_there() -> None:
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)#:]*(?:#[^)]*)?)\)", PAGE)} - {""}
    assert len(links) > 5
    assert [link for link in links if not (DOCS / link).exists()] == []


def test_its_contents_are_its_headings() -> None:
    anchors = {re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in re.findall(r"^## (.*)$", PAGE, re.M)}
    assert set(re.findall(r"^- \[.*\]\(#(.*)\)$", PAGE, re.M)) == anchors
