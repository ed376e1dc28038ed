"""The page about facades: its code runs, and its tables have what there is."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from dagster import (
    AssetKey,
    AutomationCondition,
    ConfigurableResource,
    DagsterInstance,
    Definitions,
    asset,
    evaluate_automation_conditions,
)

from ai.starlake.dagster import StarlakeDagsterFacade
from tests.dagster.assets.conftest import Folder
from tests.dagster.facade.conftest import Mirror, Scheduler

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "facade.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


class SlackResource(ConfigurableResource):
    """Stands for that of dagster-slack, which needs another version with each version of Dagster."""

    token: str


@pytest.fixture
def page(shop: Folder, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Return the names that the blocks of the page define, run one after the other in the folder of a project."""
    slack = ModuleType("dagster_slack")
    slack.SlackResource = SlackResource
    monkeypatch.setitem(sys.modules, "dagster_slack", slack)
    shop.root.rename(shop.root.with_name("my_project"))
    monkeypatch.chdir(shop.root.parent)
    names: dict[str, object] = {"__name__": "definitions"}
    for block in BLOCKS:
        exec(compile(block, "docs/facade.md", "exec"), names)
    return names


def test_the_code_of_the_page_makes_definitions(page):
    further = Definitions(
        jobs=[page["send_email_job"]],
        sensors=[page["on_night"], page["tell_the_bakers"], page["on_orders"]],
        resources={"slack": SlackResource(token="s3cret")},
    )
    definitions = Definitions.merge(page["defs"], further)
    Definitions.validate_loadable(definitions)
    sensors = {sensor.name for sensor in definitions.sensors}
    assert {"starlake_track_prod", "starlake_track_test", "on_night", "on_orders"} <= sensors
    assert isinstance(page["facade"], StarlakeDagsterFacade)


def parameters(function) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self"}


def first_cells(heading: str) -> set[str]:
    """Return the names in the first cells of the table that follows a line."""
    table = PAGE.partition(heading)[2].partition("\n\n")[2].partition("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_tables_have_all_arguments():
    assert first_cells("`StarlakeDagsterFacade(project, audit, ...)`:") == parameters(StarlakeDagsterFacade.__init__)
    described = first_cells("`create_definitions(environment, asset_prefix, enable_sensor_by_default)`:")
    assert described == parameters(StarlakeDagsterFacade.create_definitions)


def test_the_metadata_of_the_page_are_those_of_a_load(shop: Folder, scheduler: Scheduler, instance: DagsterInstance):
    mirror = Mirror(shop, instance, facade={"log_url_template": "https://logs/{job_id}"})
    mirror.tick()
    scheduler.bring("shop.orders", "1;5", "x;1", job_id="1")
    mirror.settle()
    (made,) = mirror.materializations("shop/orders")
    found = {name for name in made.metadata if name.startswith("starlake/")}
    described = set(
        re.findall(r"`(starlake/\w+)`", PAGE.partition("## What is recorded")[2].partition("## Failures")[0])
    )
    assert described - found <= {"starlake/logical_date"}
    assert found <= described


def test_an_asset_that_reads_a_table_follows_it(shop: Folder, scheduler: Scheduler, instance: DagsterInstance):
    @asset(deps=[AssetKey(["shop", "orders"])], automation_condition=AutomationCondition.eager())
    def report() -> None: ...

    mirror = Mirror(shop, instance, mirror="events")
    definitions = Definitions.merge(mirror.definitions, Definitions(assets=[report]))
    mirror.tick()
    scheduler.bring("shop.orders", "1;5", job_id="1")
    first = evaluate_automation_conditions(definitions, instance)
    mirror.settle()
    second = evaluate_automation_conditions(definitions, instance, cursor=first.cursor)
    assert (first.total_requested, second.total_requested) == (0, 1)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((\.\.?/[^)#]+|[\w-]+\.md)[^)]*\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    headings = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^## (.*)$", PAGE, re.M)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= headings
