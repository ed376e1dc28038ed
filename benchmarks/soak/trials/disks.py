"""Loads on a full disk, and in folders that they may not write to."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.soak.trial import DOUBLED, GREEN, LEAKED, LOST, RED, Bench, Tally, Trial
from tests.embedded.properties.shop import Shop

_ROOT = Path(__file__).resolve().parents[3]
_NOBODY = 65534
_WITHOUT_PRIVILEGES = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
_ROWS = 20_000
_DISK = 24
"""Megabytes of the disk."""
_MOST_FREE = 9_000
"""Kilobytes that are free at most: enough for such a load."""
_LOCKED = ("stage/shop", "ingesting/shop", "archive/shop", "ingesting", "archive", ".", "duckdb.db")
_TOLD = ("no space", "disk", "space left", "full", "not enough", "permission denied", "read-only", "cannot write")


def _run(bench: Bench) -> None:
    choice = random.Random(bench.attempts)
    for number in bench.numbers():
        root = bench.folder / str(number)
        root.mkdir()
        if number % 3 == 2:
            _unwritable(_Loads(Shop(root / "shop"), bench.tally), _LOCKED[number // 3 % len(_LOCKED)])
        else:
            with _disk(root):
                free = choice.choice((0, 8, 40, 300, 1500, choice.randrange(_MOST_FREE)))
                _full(_Loads(Shop(root / "shop"), bench.tally), root, free, packed=number % 2 == 1)
        shutil.rmtree(root, ignore_errors=True)


class _Loads:
    """Loads of a shop by the command, each in a process of its own.

    Args:
        shop: The shop.
        tally: Receives what is found.
    """

    def __init__(self, shop: Shop, tally: Tally) -> None:
        self.shop = shop
        self.tally = tally
        attributes = [{"name": "id", "type": "long"}, {"name": "label", "type": "string"}]
        shop.table("rows", attributes, {"separator": ","})
        self.environment = {**os.environ, **shop.environment, "HOME": str(shop.root)}

    def deliver(self, *, packed: bool = False) -> None:
        """Put a file into the landing area, or a packed one."""
        text = "id,label\n" + "".join(f"{number},label {number} of many\n" for number in range(_ROWS))
        self.shop.put(
            "rows-1.csv.gz" if packed else "rows-1.csv", gzip.compress(text.encode()) if packed else text, "incoming"
        )

    def load(self, what: str, *prefix: str, **environment: str) -> None:
        """Stages and loads in bad conditions: a failure must say why."""
        for verb in ("stage", "load"):
            done = subprocess.run(
                [*prefix, sys.executable, "-m", "ai.starlake.embedded", verb],
                cwd=_ROOT,
                env={**self.environment, **environment},
                capture_output=True,
                text=True,
                check=False,
            )
            self.tally.add("commands that failed", done.returncode != 0)
            text = (done.stdout + done.stderr).lower()
            if done.returncode:
                told = any(word in text for word in _TOLD) and "traceback" not in text
                self.tally.require(told, RED, f"{what}: {verb} does not tell why it fails: {text[-400:]}")
                return
        whole = self._rows() == Counter(range(_ROWS))
        self.tally.require(whole, GREEN, f"{what}: load succeeds, and {sum(self._rows().values())} rows are there")

    def finish(self, what: str) -> None:
        """Stages and loads when all is well again: nothing may be missing, and nothing there twice."""
        engine = self.shop.engine()
        engine.stage()
        failures = engine.load().failures
        self.tally.require(not failures, RED, f"{what}: the next load fails: {failures}")
        found, wanted = self._rows(), Counter(range(_ROWS))
        self.tally.defect(LOST, what, (wanted - found).total()) if wanted - found else None
        self.tally.defect(DOUBLED, what, (found - wanted).total()) if found - wanted else None
        left = [f"{area}/{name}" for area in ("incoming", "stage", "ingesting") for name in self.shop.files(area)]
        self.tally.require(not left, LEAKED, f"{what}: {left}")
        archived = self.shop.files("archive")
        self.tally.require(len(archived) == 1, LOST if not archived else DOUBLED, f"{what}: archived {archived}")

    def _rows(self) -> Counter[int]:
        return Counter(key for (key,) in self.shop.rows("SELECT id FROM shop.rows"))


def _full(loads: _Loads, disk: Path, free: int, *, packed: bool) -> None:
    """Load on a disk with some kilobytes left."""
    what = f"{free} KB free, {'packed' if packed else 'plain'}"
    loads.deliver(packed=packed)
    loads.tally.add("full disks")
    if not disk.is_mount():  # without the right to mount, the calls of the process find no room
        loads.load(what, LD_PRELOAD=str(_faults(loads.shop.root)), FAULT_SPACE=str(free * 1024))
    else:
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(shutil.disk_usage(disk).free - free * 1024, 1))
        loads.load(what, TMPDIR=str(disk))
        ballast.unlink()
    loads.finish(what)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Yield a small disk at a folder, if that is allowed."""
    options = ["-t", "tmpfs", "-o", f"size={_DISK}m", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


def _faults(folder: Path) -> Path:
    """Return the library of faults in system calls that tests use, too."""
    library, source = folder / "faults.so", _ROOT / "tests/embedded/properties/faults.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def _unwritable(loads: _Loads, locked: str) -> None:
    """Load where a folder or file of another user is not writable; as root without its privileges, too."""
    what = f"{locked} cannot be written"
    shop = loads.shop
    loads.deliver()
    shop.engine().stage()
    for folder in _LOCKED[:-1]:
        (shop.datasets / folder).mkdir(parents=True, exist_ok=True)
    place = shop.datasets / locked
    place.touch()
    mode = place.stat().st_mode
    place.chmod(0o555 if place.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        shutil.chown(place, _NOBODY)
    loads.load(what, *(_WITHOUT_PRIVILEGES if root else ()))
    loads.tally.add("unwritable folders and files")
    if root:
        shutil.chown(place, 0)
    place.chmod(mode)
    loads.finish(what)


TRIAL = Trial(
    title="Full disks and unwritable folders",
    text="""\
The embedded engine's command on a small disk with 0 KB to 9 MB left, plain and packed files, with its temporary files
on the same disk; and with an area or the database that it may not write to. A command that fails must say why; when
there is room again, or the right to write, the next load must succeed with each row once.""",
    attempts=48,
    few=3,
    seconds=80,
    run=_run,
)
