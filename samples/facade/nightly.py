"""Plays the scheduler outside of Dagster: a night of the sample bakery, by `starlake-embedded`.

python samples/facade/nightly.py /tmp/bakery 2026-11-02
python samples/facade/nightly.py /tmp/bakery 2026-11-04 --broken products
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[1] / "starbake"
COMMANDS = (
    ["stage"],
    ["load"],
    ["transform", "--name", "kpis.DailySales", "--recursive"],
)


def prepare(project: Path) -> None:
    """Make a copy of the sample project that nothing was delivered to, if there is none."""
    if not project.exists():
        shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("datasets", "incoming", "__pycache__"))
    (project / "incoming" / "starbake").mkdir(parents=True, exist_ok=True)


def deliver(project: Path, day: str, broken: str | None = None) -> None:
    """Deliver what the shops sent on a day; a file that is broken cannot be read."""
    for file in (SAMPLE / "incoming" / "starbake").glob(f"*_{day}.*"):
        copy = project / "incoming" / "starbake" / file.name
        if broken and file.name.startswith(f"{broken}_"):
            copy.write_bytes(file.read_bytes()[:-20])
        else:
            shutil.copy2(file, copy)


def night(project: Path, job_id: str) -> list[int]:
    """Run the commands of a night as one job, each whatever becomes of those before it; return their exit codes."""
    command = Path(sys.executable).with_name("starlake-embedded")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SL_")}
    environment = {**inherited, "SL_ROOT": str(project), "SL_JOB_ID": job_id}
    codes = []
    for arguments in COMMANDS:
        done = subprocess.run([command, *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)
        codes.append(done.returncode)
    return codes


def main(given: Sequence[str] | None = None) -> int:
    """Read the command line, and play a night."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, help="a copy of samples/starbake; made if it is missing")
    parser.add_argument("day", help="2026-11-02, 2026-11-03 or 2026-11-04")
    parser.add_argument(
        "--broken", help="table whose delivery cannot be read: customers, ingredients, orders or products"
    )
    arguments = parser.parse_args(given)
    project = arguments.project.resolve()
    prepare(project)
    deliver(project, arguments.day, arguments.broken)
    codes = night(project, f"nightly-{arguments.day}")
    for command, code in zip(COMMANDS, codes, strict=True):
        print(f"{'ok' if code == 0 else 'failed':6} starlake-embedded {' '.join(command)}")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
