"""What the README says and shows is true."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from dagster import Definitions
from pydantic.fields import FieldInfo

from ai.starlake.dagster.shell import ShellOptions
from ai.starlake.embedded import Engine
from ai.starlake.job import JobOptions

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def shown_default(field: FieldInfo) -> str:
    default = field.default
    if default is None or default == "":
        return ""
    if default == {}:
        return "`{}`"
    return "" if str(default) == "current" else f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def row_of(name: str, field: FieldInfo) -> str:
    return f"| `{field.alias or name}` | {shown_default(field)} | {field.description} |"


def options_table() -> str:
    head = ["| option | default | |", "|---|---|---|"]
    fields = {**JobOptions.model_fields, **ShellOptions.model_fields}
    return "\n".join(head + [row_of(name, field) for name, field in fields.items()])


def test_the_options_table_is_that_of_the_code() -> None:
    assert options_table() in README, f"the README should have:\n{options_table()}"


def sample_in(folder: Path) -> Path:
    return shutil.copytree(ROOT / "samples" / "starbake", folder / "starbake")


def made_by(source: str, job: str, project: Path, **arguments: object) -> list[str]:
    """Run a job of an example on a project; return the keys of what it made."""
    namespace: dict[str, object] = {}
    exec(compile(source.replace("/path/to/your/starlake/project", str(project)), "README.md", "exec"), namespace)
    definitions = namespace["defs"]
    assert isinstance(definitions, Definitions)
    Definitions.validate_loadable(definitions)
    result = definitions.get_repository_def().get_job(job).execute_in_process(**arguments)
    return [event.materialization.asset_key.to_user_string() for event in result.get_asset_materialization_events()]


def test_there_are_three_examples() -> None:
    assert len(BLOCKS) == 3


def test_the_first_example_makes_assets_of_a_project(tmp_path: Path) -> None:
    loaded = made_by(BLOCKS[0], "starbake_daily_05_00", sample_in(tmp_path), partition_key="2026-11-04")
    assert sorted(loaded) == [f"starbake/{table}" for table in ("Customers", "Ingredients", "Orders", "Products")]


def test_the_second_example_shows_what_another_scheduler_ran(tmp_path: Path) -> None:
    project = sample_in(tmp_path)
    engine = Engine.open(project)
    engine.stage()
    engine.load(["starbake"], ["Customers", "Orders"])
    assert sorted(made_by(BLOCKS[1], "starlake_sync_prod", project)) == ["starbake/Customers", "starbake/Orders"]


def test_the_third_example_makes_ops(tmp_path: Path) -> None:
    assert made_by(BLOCKS[2], "nightly", sample_in(tmp_path)) == [
        "starbake_Customers",
        "starbake_Orders",
        "Customers_CustomerLifeTimeValue",
    ]


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)", README)) - {"lists"}))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}: ", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
