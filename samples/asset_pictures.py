"""Takes the pictures of the sample's assets, after a run for each day of deliveries; `pictures.py` calls this."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo import DEFINITIONS, JOB, Home

if TYPE_CHECKING:
    from playwright.sync_api import Page

DAYS = ("2026-11-02", "2026-11-03", "2026-11-04")
SIZE = {"width": 1400, "height": 900}
SETTLED = 8000
"""Milliseconds to load a page and draw the state of assets, without an event at the end."""
DRAWN = 2000
"""Milliseconds that a page needs after a click."""
TICKS = 75
"""Seconds until each sensor has had a tick."""


@dataclass(frozen=True)
class View:
    """A page of Dagster's UI.

    Args:
        name: The name of the picture.
        path: URL path of the page.
        wait_for: Content that shows that the page is complete.
        height: The height of the window.
        width: Its width. Dagster shows the details of the assets in a graph if the whole graph fits.
        part: The part of the window that is the picture, as left, top, width and height; by default all of it.
        clicks: Elements to click then, as Playwright selectors.
    """

    name: str
    path: str
    wait_for: str
    height: int = SIZE["height"]
    width: int = SIZE["width"]
    part: tuple[int, int, int, int] | None = None
    clicks: tuple[str, ...] = ()


_GROUPS = ",".join(f"global@global:{group}" for group in ("starbake", "Customers", "Products", "kpis"))
VIEWS = (
    View(
        "assets_lineage",
        f"/asset-groups?expanded={_GROUPS}",
        "DailySales",
        height=1500,
        width=2300,
        part=(470, 160, 1740, 1190),
    ),
    View("assets_overview", "/assets/starbake/Orders?view=overview", "Columns"),
    View("assets_check", "/assets/starbake/Ingredients?view=checks&checkDetail=between_price_0_12", "failing_rows"),
    View(
        "assets_partitions", f"/assets/starbake/Orders?view=partitions&partition={DAYS[-1]}", "Latest materialization"
    ),
    View("assets_automation", "/automation", "bakery_files", height=420),
)
SELECTOR = {"repositoryLocationName": DEFINITIONS.name, "repositoryName": "__repository__"}


def make_runs(folder: Path) -> None:
    """Make all assets for each day, with what was delivered on it."""
    home = Home(folder)
    home.prepare()
    landing = home.project / "incoming" / "starbake"
    delivered = folder / "delivered"
    landing.rename(delivered)
    landing.mkdir()
    for day in DAYS:
        for file in delivered.glob(f"*_{day}.*"):
            shutil.copy2(file, landing)
        subprocess.run([sys.executable, __file__, day], env=home.environment(), check=True, stdout=subprocess.DEVNULL)


def run(day: str) -> None:
    """Make all assets for a day, in this process."""
    from dagster import DagsterInstance

    sys.path.insert(0, str(DEFINITIONS.parent))
    from definitions import defs

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with DagsterInstance.get() as instance:
        job = defs.get_repository_def().get_job(JOB)
        job.execute_in_process(instance=instance, partition_key=day, run_config=quiet)


def switch_on(address: str) -> None:
    """Switch on the schedule and the sensors, and let them look once."""
    for kind, name in (
        ("sensor", "bakery_files"),
        ("sensor", "default_automation_condition_sensor"),
        ("schedule", "bakery_daily_05_00_schedule"),
    ):
        what = kind.title()
        query = f"mutation ($s: {what}Selector!) {{ start{what}({kind}Selector: $s) {{ __typename }} }}"
        body = json.dumps({"query": query, "variables": {"s": {**SELECTOR, f"{kind}Name": name}}}).encode()
        request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=120).close()
    time.sleep(TICKS)


def take_all(page: Page, address: str, images: Path, views: tuple[View, ...] = VIEWS) -> Iterator[Path]:
    """Take the pictures; yield their files."""
    page.goto(address)
    page.get_by_text("Hide navigation").click(timeout=180_000)
    for view in views:
        page.set_viewport_size({"width": view.width, "height": view.height})
        page.goto(address + view.path)
        page.get_by_text(view.wait_for).first.wait_for(timeout=60_000)
        page.wait_for_timeout(SETTLED)
        for selector in view.clicks:
            page.locator(selector).first.click()
            page.wait_for_timeout(DRAWN)
        image = images / f"{view.name}.png"
        if view.part is None:
            page.screenshot(path=image)
        else:
            page.screenshot(path=image, clip=dict(zip(("x", "y", "width", "height"), view.part, strict=True)))
        yield image


if __name__ == "__main__":
    run(sys.argv[1])
