"""The fake executable itself: a script of its own, started by `tests.fakes.fake_cli`, standard library only.

Its first argument is the folder of the fake; what follows is the command line of Starlake.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

_PATTERN = re.compile(r"""^\s*pattern\s*:\s*(["']?)(.+?)\1\s*$""", re.MULTILINE)


class Project:
    """The areas of a Starlake project, as far as moving files goes."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.root = Path(os.environ.get("SL_ROOT", "").removeprefix("file://") or ".")
        self.datasets = Path(os.environ.get("SL_DATASETS", "").removeprefix("file://") or self.root / "datasets")
        self.domains = self.names("--domains", "--domain", "--include")
        self.tables = self.names("--tables", "--schemas")

    def value(self, flag: str) -> str | None:
        return self.argv[self.argv.index(flag) + 1] if flag in self.argv[:-1] else None

    def names(self, *flags: str) -> list[str]:
        return [name for flag in flags for name in (self.value(flag) or "").split(",") if name]

    def area(self, name: str, domain: str) -> Path:
        return self.root / "incoming" / domain if name == "incoming" else self.datasets / name / domain

    def files(self, area: str, domain: str) -> list[Path]:
        """Return the files of the chosen tables in an area; of all tables when none is chosen."""
        folder = self.area(area, domain)
        there = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        return [path for path in there if not self.tables or any(self.matches(domain, t, path) for t in self.tables)]

    def matches(self, domain: str, table: str, path: Path) -> bool:
        try:
            text = (self.root / "metadata" / "load" / domain / f"{table}.sl.yml").read_text(encoding="utf-8")
        except OSError:
            text = ""
        written = _PATTERN.search(text)
        pattern = written[2].replace("\\\\", "\\") if written else rf"{re.escape(table)}\W.*"
        return re.fullmatch(pattern, path.name) is not None

    def move(self, source: str, target: str) -> list[Path]:
        moved = []
        for domain in self.domains:
            for path in self.files(source, domain):
                folder = self.area(target, domain)
                folder.mkdir(parents=True, exist_ok=True)
                moved.append(path.rename(folder / path.name))
        return moved


def _record(folder: Path, argv: list[str], wanted: list[str]) -> int:
    """Note the call; return how many of its verb came before."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if any(name.startswith(w[:-1]) if w.endswith("*") else name == w for w in wanted)
    }
    entry = {"argv": argv, "cwd": os.getcwd(), "environment": environment, "pid": os.getpid(), "started": time.time()}  # noqa: PTH109
    with (folder / "calls.jsonl").open("a+", encoding="utf-8") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        journal.seek(0)
        before = [json.loads(line)["argv"][:1] for line in journal].count(argv[:1])
        journal.write(json.dumps(entry) + "\n")
    return before


def _in_turn(values: list[Any], turn: int) -> Any:
    return values[min(turn, len(values) - 1)]


def _preload(project: Project, answer: bool | None) -> int:
    ready = _look(project) if answer is None else answer
    sentinel = project.value("--notReadySentinel")
    if not ready and sentinel:
        Path(sentinel.removeprefix("file://")).touch()
    return 0 if ready or sentinel else 1


def _look(project: Project) -> bool:
    strategy = (project.value("--strategy") or "none").lower()
    if strategy == "ack":
        try:
            Path(project.value("--globalAckFilePath") or "").unlink()
        except OSError:
            return False
        return True
    if strategy == "pending" and not project.tables:
        return True  # as Starlake has it
    areas = {"imported": "incoming", "pending": "stage"}
    return strategy not in areas or any(project.files(areas[strategy], domain) for domain in project.domains)


def _count(files: list[Path]) -> list[int]:
    rows = sum(max(0, len(path.read_bytes().splitlines()) - 1) for path in files)
    return [rows, rows, 0]


def _main(folder: Path, argv: list[str]) -> int:
    behaviour = json.loads((folder / "behaviour.json").read_text(encoding="utf-8"))
    before = _record(folder, argv, behaviour[""]["record"])
    verb = argv[0] if argv else ""
    told = behaviour.get(verb, {})
    turn = before - told.get("since", 0)
    environment = [f"{name}={value}" for name, value in os.environ.items()] if told.get("print_environment") else []
    for stream, lines in ((sys.stdout, told.get("stdout", []) + environment), (sys.stderr, told.get("stderr", []))):
        stream.write("".join(f"{line}\n" for line in lines))
        stream.flush()
    project = Project(argv)
    if verb in ("stage", "import"):
        project.move("incoming", "stage")
    taken = project.move("stage", "ingesting") if verb == "load" else []
    time.sleep(told.get("sleep", 0))
    while told.get("until") and not os.path.exists(told["until"]):  # noqa: PTH110
        time.sleep(0.01)
    code: int = _in_turn(told.get("exit_codes", [0]), turn)
    if verb == "preload" and code == 0:
        code = _preload(project, _in_turn(told["ready"], turn) if told.get("ready") else None)
    if verb == "load" and code == 0:
        _finish_load(project, taken, told.get("counts") or _count(taken))
    return code


def _finish_load(project: Project, taken: list[Path], counts: list[int]) -> None:
    for path in taken:
        archive = project.area("archive", path.parent.name)
        archive.mkdir(parents=True, exist_ok=True)
        path.rename(archive / path.name)
    if "SL_API" in os.environ:
        names = ("inputCount", "acceptedCount", "rejectedCount")
        told: dict[str, object] = dict(zip(names, counts, strict=True))
        if taken and counts[0] == 0:  # otherwise the rows say that there was a file
            told["paths"] = [path.as_uri() for path in taken]
        sys.stdout.write(f"IngestionCounters:{json.dumps(told)}\n")


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2:]))
