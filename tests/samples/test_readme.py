"""Statements of README.md, and of the pages that it first leads to, are true."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from dagster import Definitions

from ai.starlake.embedded import Engine

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def python_in(page: str) -> list[str]:
    """Return the examples in Python of a page."""
    return re.findall(r"^```python.*?\n(.*?)^```", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_it_is_read_in_two_screens() -> None:
    assert len(README.splitlines()) < 150
    first, _, _ = README.partition("\n## ")
    assert len(first.splitlines()) < 40
    assert "](images/assets_lineage.png)" in first


def test_the_example_is_five_lines() -> None:
    [example] = python_in("README.md")
    assert len([line for line in example.splitlines() if line]) <= 5


def sample_in(folder: Path) -> Path:
    return shutil.copytree(ROOT / "samples" / "starbake", folder / "starbake")


def made_by(source: str, placeholder: str, job: str, project: Path, **arguments: object) -> list[str]:
    """Run a job of an example on a project, which takes the place of a name; return the keys of what it made."""
    namespace: dict[str, object] = {}
    if placeholder:
        assert placeholder in source
        source = source.replace(placeholder, repr(str(project)))
    exec(compile(source, "example.py", "exec"), namespace)
    definitions = namespace["defs"]
    assert isinstance(definitions, Definitions)
    Definitions.validate_loadable(definitions)
    result = definitions.get_repository_def().get_job(job).execute_in_process(**arguments)
    return [event.materialization.asset_key.to_user_string() for event in result.get_asset_materialization_events()]


def test_the_example_makes_assets_of_a_project(tmp_path: Path) -> None:
    [example] = python_in("README.md")
    loaded = made_by(example, '"rental"', "starbake_daily_05_00", sample_in(tmp_path), partition_key="2026-11-04")
    assert sorted(loaded) == [f"starbake/{table}" for table in ("Customers", "Ingredients", "Orders", "Products")]


def test_the_facade_shows_what_another_scheduler_ran(tmp_path: Path) -> None:
    project = sample_in(tmp_path)
    engine = Engine.open(project)
    engine.stage()
    engine.load(["starbake"], ["Customers", "Orders"])
    example = python_in("docs/facade.md")[0].replace('"my_project/', f'"{project}/')
    made = made_by(example, '"my_project"', "starlake_sync_prod", project)
    assert sorted(made) == ["starbake/Customers", "starbake/Orders"]


def test_the_example_of_the_page_ops_md_makes_ops(tmp_path: Path) -> None:
    project = sample_in(tmp_path)
    example = python_in("docs/ops.md")[0].replace(
        '{"SL_ROOT": "/path/to/your/starlake/project"}', f'{{"SL_ROOT": "{project}"}}'
    )
    assert made_by(example, "", "nightly", project) == [
        "starbake_Customers",
        "starbake_Orders",
        "Customers_CustomerLifeTimeValue",
    ]


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)", README))))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}: ", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
