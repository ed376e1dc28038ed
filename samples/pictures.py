"""Takes the pictures in images/: the sample's assets, and jobs of generated DAG files, as Dagster's UI shows them.

`make pictures` calls this; with ``assets``, ``facade`` or ``jobs`` it takes only these. It needs Chromium, and the
package playwright, which that target installs.

Dagster writes the groups of an op before its name and cuts the text where the box ends. In the pictures an op has its
own name only: its groups are the boxes around it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from asset_pictures import make_runs, switch_on, take_all
from demo import DEFINITIONS
from facade_pictures import DEFINITIONS as FACADE
from facade_pictures import play_a_night, run_of, views

from ai.starlake.project import Project
from ai.starlake.project.dag_generation import generate

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

SAMPLES = Path(__file__).resolve().parent
IMAGES = SAMPLES.parent / "images"
STRATEGIES = ("none", "imported", "pending", "ack")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOW = {"width": 3000, "height": 1700}
"""Large enough for Dagster to draw the graphs at their full size."""
PATIENCE = 180

OWN_NAMES = """
for (const label of document.querySelectorAll('[class*=OpNode_label]'))
  label.textContent = (label.dataset.tooltip || label.textContent).split('.').pop()
"""
BOUNDS = """
() => {
  const parts = '[class*=OpNode_nodeBox], [class*=opIOContainer], [class*=opTagsContainer], [class*=configMarker]'
  const graph = document.querySelector('[class*=OpGraph_sVGContainer]')
  const boxes = [...graph.querySelectorAll(parts + ', rect[name]')].map(part => part.getBoundingClientRect())
  const left = Math.min(...boxes.map(box => box.left)), top = Math.min(...boxes.map(box => box.top))
  const right = Math.max(...boxes.map(box => box.right)), bottom = Math.max(...boxes.map(box => box.bottom))
  return {x: left - 16, y: top - 16, width: right - left + 32, height: bottom - top + 32}
}
"""


def write_files(folder: Path) -> list[Path]:
    """Generate a file for each picture from a copy of the sample project; the picture has the name of the file."""
    root = folder / "starbake"
    shutil.copytree(SAMPLES / "starbake", root, ignore=shutil.ignore_patterns("datasets", "__pycache__"))
    made: list[Path] = []
    for name, kind, place, options in _pictures():
        what = "table" if kind == "load" else "task"
        dag = {
            "template": f"{kind}/dagster__scheduled_{what}__{place}.py.j2",
            "filename": f"{name}.py",
            "options": options,
        }
        (root / "metadata" / "dags" / f"{name}.sl.yml").write_text(json.dumps({"version": 1, "dag": dag}), "utf-8")
        project = Project.read(root, environment={f"SL_DAG_REF_{kind.upper()}": name})
        for file in generate(project, domains=kind == "load", tasks=kind != "load"):
            made.append(folder / file.name)
            made[-1].write_text(file.text, encoding="utf-8")
    return made


def _pictures() -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Name, kind and place of each file, and its options."""
    for strategy in STRATEGIES:
        yield f"load_{strategy}", "load", "embedded", {"pre_load_strategy": strategy}
    spark = {
        "dataproc_project_id": "starbake",
        "spark_bucket": "starbake-spark",
        "spark_jar_list": "gs://starbake/sl.jar",
    }
    yield "load_dataproc", "load", "dataproc", {"pre_load_strategy": "pending", **spark}
    yield "transform", "transform", "embedded", {"run_dependencies_first": "true"}


@contextmanager
def dagster_dev(folder: Path, files: list[Path]) -> Iterator[str]:
    """Yield the address of a `dagster dev` on some files, which ends with the block."""
    home = folder / "dagster_home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SL_", "DAGSTER_"))}
    environment = {**kept, "DAGSTER_HOME": str(home), "SL_ROOT": str(folder / "starbake")}
    port = _free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-p", str(port)]
    command += [part for file in files for part in ("-f", str(file))]
    with (folder / "dagster.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}/server_info", process, folder / "dagster.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"dagster dev does not answer:\n{log.read_text('utf-8')[-3000:]}")
        time.sleep(0.5)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


def take(page: Page, address: str, file: Path) -> Path:
    """Take the picture of the job of a file, with its groups unfolded, and nothing around the graph."""
    page.goto(f"{address}/locations/{file.name}/jobs/{file.stem}~!/")
    page.wait_for_selector("[class*=OpNode_nodeBox]", state="attached", timeout=PATIENCE * 1000)
    skip = page.get_by_role("button", name="Skip")
    page.wait_for_timeout(3000)  # the graph is laid out and zoomed in animations, without an event at their end
    if skip.count():
        skip.click()
        page.wait_for_timeout(1000)
    page.evaluate(OWN_NAMES)
    image = IMAGES / f"{file.stem}.png"
    page.screenshot(path=image, clip=page.evaluate(BOUNDS))
    return image


@contextmanager
def browser(folder: Path) -> Iterator[BrowserContext]:
    """Chromium without a window, and with a profile of its own."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit("Chromium is not installed. On Debian and Ubuntu: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit("The package playwright is not installed: use `make pictures`") from None
    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            folder / "profile", executable_path=found, headless=True, args=FLAGS, viewport=WINDOW
        )
        try:
            yield context
        finally:
            context.close()


def take_jobs(folder: Path) -> Iterator[Path]:
    """Take the pictures of jobs; yield their files."""
    files = write_files(folder)
    with dagster_dev(folder, files) as address, browser(folder) as context:
        page = context.new_page()
        for file in files:
            yield take(page, address, file)


def take_assets(folder: Path) -> Iterator[Path]:
    """Take the pictures of assets; yield their files."""
    make_runs(folder)
    with dagster_dev(folder, [DEFINITIONS]) as address, browser(folder) as context:
        switch_on(address)
        yield from take_all(context.new_page(), address, IMAGES)


def take_facade(folder: Path) -> Iterator[Path]:
    """Take the pictures of what another scheduler ran; yield their files."""
    play_a_night(folder, "2026-11-03")
    with dagster_dev(folder, [FACADE]) as address, browser(folder) as context:
        run_of(address, "starlake_sync_prod")
        play_a_night(folder, "2026-11-04", broken="products")
        run_id = run_of(address, "starlake_mirror_prod")
        yield from take_all(context.new_page(), address, IMAGES, views(run_id))


KINDS = {"assets": take_assets, "facade": take_facade, "jobs": take_jobs}


def main(kinds: list[str]) -> int:
    """Take all pictures, or those of some kinds."""
    IMAGES.mkdir(exist_ok=True)
    for kind in kinds or KINDS:
        with tempfile.TemporaryDirectory(prefix="starlake-pictures-") as scratch:
            for image in KINDS[kind](Path(scratch)):
                print(f"{image.relative_to(SAMPLES.parent)}: {image.stat().st_size / 1000:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
