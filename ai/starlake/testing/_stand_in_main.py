"""The executable in place of `starlake` in the executor contract: a script of its own, standard library only.

Its first argument is the folder of the project; the command line of Starlake follows. It does to the files of the
project what Starlake does, including the failed load that leaves its files in the ingesting area.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

_TABLES = ("orders", "slow", "returns")
_LONG = 300


class _ProjectFiles:
    """The files of the domain."""

    def __init__(self, root: Path, argv: list[str]) -> None:
        self.root = root
        self.argv = argv
        chosen = self.value("--tables", "--schemas")
        self.tables = chosen.split(",") if chosen else list(_TABLES)

    def value(self, *flags: str) -> str | None:
        """Return the value after one of some flags, or after its equals sign."""
        for position, argument in enumerate(self.argv):
            name, equals, value = argument.partition("=")
            if name in flags:
                return value if equals else self.argv[position + 1] if position + 1 < len(self.argv) else ""
        return None

    def folder(self, area: str) -> Path:
        """Return the folder of an area, created if it is missing."""
        folder = self.root / "incoming/contract" if area == "incoming" else self.root / "datasets" / area / "contract"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def files(self, area: str) -> list[Path]:
        """Return the files of the selected tables in an area."""
        found = sorted(path for path in self.folder(area).iterdir() if path.is_file())
        return [path for path in found if any(re.fullmatch(rf"{t}-.*\.csv", path.name, re.DOTALL) for t in self.tables)]

    def move(self, source: str, target: str) -> list[Path]:
        """Move the files of the selected tables."""
        return [path.rename(self.folder(target) / path.name) for path in self.files(source)]


def _load(areas: _ProjectFiles) -> int:
    given = [Path(name) for name in (areas.value("--files") or "").split(",") if name]
    in_place = "--inPlace" in areas.argv
    if not in_place:
        for path in given:
            shutil.copy(path, areas.folder("stage") / path.name)
    taken = given if in_place else areas.move("stage", "ingesting")
    counts = [0, 0, 0]
    for path in taken:
        if path.name.startswith("slow"):
            time.sleep(_LONG)
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        if header.split(",")[0] != "id":
            sys.stdout.write(f"ERROR {path.name} names no column of the table\n")
            return 1
        accepted = sum(row.split(",")[0].isdigit() for row in rows)
        counts = [one + more for one, more in zip(counts, (len(rows), accepted, len(rows) - accepted), strict=True)]
    if not in_place:
        for path in taken:
            path.rename(areas.folder("archive") / path.name)
    if "SL_API" in os.environ:
        names = ("inputCount", "acceptedCount", "rejectedCount")
        sys.stdout.write(f"IngestionCounters:{json.dumps(dict(zip(names, counts, strict=True)))}\n")
    return 0


def _preload(areas: _ProjectFiles) -> int:
    strategy = areas.value("--strategy")
    if strategy == "ack":
        ack = Path(areas.value("--globalAckFilePath") or "")
        ready = ack.is_file()
        ack.unlink(missing_ok=True)
    else:
        area = {"imported": "incoming", "pending": "stage"}.get(strategy or "")
        ready = area is None or bool(areas.files(area))
    sentinel = areas.value("--notReadySentinel")
    if not ready and sentinel:
        Path(sentinel).touch()
    return 0 if ready or sentinel else 1


def _transform(areas: _ProjectFiles) -> int:
    task = (areas.value("--name") or "").removeprefix("contract.")
    if task in ("shows", "leaks"):
        for stream in (sys.stdout, sys.stderr):
            stream.write(f"{sys.argv}\n{dict(os.environ)}\n")
            stream.write("".join(f"{name}={value}\n" for name, value in os.environ.items()))
    if task == "sleeps":
        time.sleep(_LONG)
    if task == "leaks":
        return 1
    return int(task.removeprefix("exits_")) if task.startswith("exits_") else 0


def _main(root: Path, argv: list[str]) -> int:
    entry = {"argv": argv, "environment": dict(os.environ), "pid": os.getpid()}
    with (root / "calls.jsonl").open("ab", buffering=0) as journal:  # one write: commands may run at once
        journal.write(f"{json.dumps(entry)}\n".encode())
    areas = _ProjectFiles(root, argv)
    verb = argv[0] if argv else ""
    if verb in ("stage", "import"):
        areas.move("incoming", "stage")
        return 0
    verbs = {"load": _load, "preload": _preload, "transform": _transform}
    return verbs[verb](areas) if verb in verbs else 1


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2:]))
