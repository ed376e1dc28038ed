"""The fake executable itself, started by `tests.fakes.fake_cli`, with the standard library only.

The first argument is the folder of the fake; what follows is the command line of Starlake.

Tests start it thousands of times: what takes milliseconds to import, as json, re and pathlib do, is imported by the
calls that need it.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import sys
import time

_PATTERN = r"""^\s*pattern\s*:\s*(["']?)(.+?)\1\s*$"""


class Project:
    """The areas of a Starlake project, as far as moving files goes."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.root = os.environ.get("SL_ROOT", "").removeprefix("file://") or "."
        self.datasets = os.environ.get("SL_DATASETS", "").removeprefix("file://") or f"{self.root}/datasets"
        self.domains = self.names("--domains", "--domain", "--include")
        self.tables = self.names("--tables", "--schemas")

    def value(self, flag: str) -> str | None:
        return self.argv[self.argv.index(flag) + 1] if flag in self.argv[:-1] else None

    def names(self, *flags: str) -> list[str]:
        return [name for flag in flags for name in (self.value(flag) or "").split(",") if name]

    def area(self, name: str, domain: str) -> str:
        return f"{self.root}/incoming/{domain}" if name == "incoming" else f"{self.datasets}/{name}/{domain}"

    def files(self, area: str, domain: str) -> list[str]:
        """Return the names of the files of the chosen tables in an area; of all tables when none is chosen."""
        folder = self.area(area, domain)
        if not os.path.isdir(folder):
            return []
        there = sorted(name for name in os.listdir(folder) if os.path.isfile(f"{folder}/{name}"))
        return [name for name in there if not self.tables or any(self.matches(domain, t, name) for t in self.tables)]

    def matches(self, domain: str, table: str, name: str) -> bool:
        import re

        try:
            with open(f"{self.root}/metadata/load/{domain}/{table}.sl.yml", encoding="utf-8") as file:
                text = file.read()
        except OSError:
            text = ""
        written = re.search(_PATTERN, text, re.MULTILINE)
        pattern = written[2].replace("\\\\", "\\") if written else rf"{re.escape(table)}\W.*"
        return re.fullmatch(pattern, name) is not None

    def move(self, source: str, target: str) -> list[tuple[str, str]]:
        """Move files from one area to another; return the domain and the name of each."""
        moved = [(domain, name) for domain in self.domains for name in self.files(source, domain)]
        for domain, name in moved:
            self.put(source, target, domain, name)
        return moved

    def put(self, source: str, target: str, domain: str, name: str) -> None:
        os.makedirs(self.area(target, domain), exist_ok=True)
        os.rename(f"{self.area(source, domain)}/{name}", f"{self.area(target, domain)}/{name}")


def _record(folder: str, argv: list[str], wanted: list[str]) -> int:
    """Note the call; return how many of its verb came before."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if any(name.startswith(w[:-1]) if w.endswith("*") else name == w for w in wanted)
    }
    entry = {"argv": argv, "cwd": os.getcwd(), "environment": environment, "pid": os.getpid(), "started": time.time()}
    verb = f"{argv[:1]!a}\t"
    with open(f"{folder}/calls", "a+", encoding="ascii") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        journal.seek(0)
        before = sum(line.startswith(verb) for line in journal)
        journal.write(f"{verb}{entry!a}\n")
    return before


def _in_turn(values, turn: int):
    return values[min(turn, len(values) - 1)]


def _preload(project: Project, answer: bool | None) -> int:
    ready = _look(project) if answer is None else answer
    sentinel = project.value("--notReadySentinel")
    if not ready and sentinel:
        with open(sentinel.removeprefix("file://"), "a", encoding="utf-8"):
            pass
    return 0 if ready or sentinel else 1


def _look(project: Project) -> bool:
    strategy = (project.value("--strategy") or "none").lower()
    if strategy == "ack":
        try:
            os.unlink(project.value("--globalAckFilePath") or "")
        except OSError:
            return False
        return True
    if strategy == "pending" and not project.tables:
        return True  # as Starlake has it
    areas = {"imported": "incoming", "pending": "stage"}
    return strategy not in areas or any(project.files(areas[strategy], domain) for domain in project.domains)


def _count(files: list[str]) -> list[int]:
    rows = 0
    for path in files:
        with open(path, "rb") as file:
            rows += max(0, len(file.read().splitlines()) - 1)
    return [rows, rows, 0]


def _run(folder: str, argv: list[str]) -> int:
    with open(f"{folder}/behaviour", "rb") as file:
        behaviour = marshal.load(file)
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
    while told.get("until") and not os.path.exists(told["until"]):
        time.sleep(0.01)
    code: int = _in_turn(told.get("exit_codes", [0]), turn)
    if verb == "preload" and code == 0:
        code = _preload(project, _in_turn(told["ready"], turn) if told.get("ready") else None)
    if verb == "load" and code == 0:
        _finish_load(project, taken, told.get("counts"))
    return code


def _finish_load(project: Project, taken: list[tuple[str, str]], told: list[int] | None) -> None:
    files = [f"{project.area('ingesting', domain)}/{name}" for domain, name in taken]
    counts = told or _count(files)
    for domain, name in taken:
        project.put("ingesting", "archive", domain, name)
    if "SL_API" in os.environ:
        read, accepted, rejected = counts
        paths = f', "paths": {_uris(files)}' if taken and read == 0 else ""  # otherwise rows say that there was a file
        counted = f'"inputCount": {read}, "acceptedCount": {accepted}, "rejectedCount": {rejected}'
        sys.stdout.write(f"IngestionCounters:{{{counted}{paths}}}\n")


def _uris(files: list[str]) -> str:
    import json
    from pathlib import Path

    return json.dumps([Path(path).as_uri() for path in files])


def main() -> None:
    """Run the command line of this process."""
    sys.exit(_run(sys.argv[1], sys.argv[2:]))
