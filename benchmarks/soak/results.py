"""Results of trials as data: one file each, from which the page is made."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.soak.trial import Bench, Tally, Trial

FOLDER = Path(__file__).with_name("results")
_VERSIONS = ("duckdb", "google-cloud-dataproc", "google-cloud-run")


@dataclass(frozen=True)
class Result:
    """Result of a trial, with its time and machine.

    Args:
        name: The name of its module.
        asked: Number of attempts asked for.
        date: Start of the trial, in UTC.
        seconds: Duration.
        load: The load average when it began, and when it ended.
        machine: The machine and the versions.
        tally: Defects that it found.
        error: Error that ended it early; empty if there is none.
    """

    name: str
    asked: int
    date: str
    seconds: float
    load: tuple[float, float]
    machine: dict[str, str]
    tally: Tally
    error: str = ""

    @property
    def clean(self) -> bool:
        """True if it ran to its end without defects."""
        return self.tally.clean and not self.error

    def save(self, folder: Path = FOLDER) -> None:
        """Write it down in place of what the trial found before."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)
        (folder / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Result:
        """Read what `save` wrote."""
        content = json.loads(file.read_text("utf-8"))
        content["tally"] = Tally(**content["tally"])
        return cls(**{**content, "load": tuple(content["load"])})


def all_results(folder: Path = FOLDER) -> dict[str, Result]:
    """Return the recorded results, by the names of the trials."""
    return {file.stem: Result.read(file) for file in sorted(folder.glob("*.json"))}


def measured(name: str, trial: Trial, attempts: int, patience: float = 1, place: Path | None = None) -> Result:
    """Make the attempts of a trial; what it raises ends it, and is part of the result.

    Args:
        name: The name of the trial.
        trial: The trial.
        attempts: Number of attempts to make.
        patience: Factor for its time limit, on a machine that others use, too.
        place: The folder to work in; that of temporary files by default.
    """
    found = machine()
    found.pop("load average")
    found |= {package: version(package) for package in _VERSIONS}
    began, load = datetime.now(timezone.utc), _load()
    clock, error = time.monotonic(), ""
    with tempfile.TemporaryDirectory(prefix="starlake-soak-", dir=place, ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), attempts, trial.seconds * patience)
        try:
            trial.run(bench)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # noqa: BLE001  pytest's own failures are not derived from Exception
            error = f"{type(raised).__name__}: {raised}"[:2000]
    seconds = round(time.monotonic() - clock, 1)
    tally = bench.tally
    tally.facts = {fact: round(number, 3) for fact, number in tally.facts.items()}
    return Result(name, attempts, f"{began:%Y-%m-%d %H:%M}", seconds, (load, _load()), found, tally, error)


def _load() -> float:
    return round(float(machine()["load average"].split(",")[0]), 1)
