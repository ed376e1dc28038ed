"""Takes images/airflow_graph.png: the graph of the generated DAG of loads, as Airflow's UI shows it after a run.

    pip install playwright
    python samples/airflow/graph_picture.py

It needs Chromium.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from loopback import running
from run import DAGS, SAMPLES, prepare

sys.path.append(str(SAMPLES))

from pictures import IMAGES, browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

MARGIN = 16
SIZE = {"width": 2600, "height": 1100}
DRAWN = 4000
"""Milliseconds to lay out and zoom the graph, without an event at the end."""
BOUNDS = """
margin => {
  const boxes = [...document.querySelectorAll('.react-flow__node')].map(node => node.getBoundingClientRect())
  const left = Math.min(...boxes.map(box => box.left)), top = Math.min(...boxes.map(box => box.top))
  const right = Math.max(...boxes.map(box => box.right)), bottom = Math.max(...boxes.map(box => box.bottom))
  return {x: left - margin, y: top - margin, width: right - left + 2 * margin, height: bottom - top + 2 * margin}
}
"""
WITHOUT_HELP = "for (const each of document.querySelectorAll('.react-flow__panel')) each.remove()"


def take(page: Page, address: str) -> Path:
    """Take the picture of a run, with its groups unfolded and the assets that it updates."""
    page.set_viewport_size(SIZE)
    page.goto(address)
    page.get_by_label("Show Graph (Press g)").click()
    page.get_by_test_id("expand-all-button").click()
    page.get_by_label("Options").click()
    page.get_by_role("combobox", name="Dependencies").click()
    page.get_by_role("option", name="All Dag Dependencies").click()
    page.keyboard.press("Escape")
    page.get_by_label("Collapse Details Panel").click()
    page.wait_for_timeout(DRAWN)
    page.evaluate(WITHOUT_HELP)
    image = IMAGES / "airflow_graph.png"
    page.screenshot(path=image, clip=page.evaluate(BOUNDS, MARGIN))
    return image


def main() -> int:
    """Run the loads, and take the picture."""
    dag_id = DAGS["generated"][0]
    with tempfile.TemporaryDirectory(prefix="starlake-pictures-") as scratch:
        folder = Path(scratch)
        with running(prepare(folder, "generated")) as server, browser(folder) as context:
            server.wait_until_ready(len(DAGS["generated"]))
            run_id = server.ask("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"]
            server.until(
                lambda: server.ask("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"] == "success", "the run has ended"
            )
            image = take(context.new_page(), f"{server.address}/dags/{dag_id}/runs/{run_id}")
    print(f"{image.relative_to(SAMPLES.parent)}: {image.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
