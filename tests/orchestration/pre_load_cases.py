"""Pre-load decisions that every orchestrator makes alike: what there is, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from tests.fakes.fake_cli import FakeStarlake
from tests.fakes.small_project import Project

RUN_DATE = datetime(2026, 3, 1, tzinfo=timezone.utc)
"""The logical date of each run. Nothing else knows it: whoever takes the time of the parse, or now, is found out."""

LOADED, SKIPPED, FAILED = "loaded", "skipped", "failed"

_COMMAND = {"pre_load_check": "command"}
_SENSOR = {"pre_load_sensor": "true", "pre_load_timeout": 0}


@dataclass(frozen=True)
class PreLoadCase:
    """A case.

    Args:
        id: What it shows.
        strategy: The pre-load strategy.
        outcome: What becomes of the domain.
        files: The area and the name of each file.
        tables: The tables that are asked about.
        options: Options of the job.
        env: Variables besides SL_ROOT.
        prepare: Does what else must be done before.
        says: Stands in the log, or in the failure.
        dry_run: Whether the run is a dry one.
        gone: The files that the check takes away.
        retries: Whether a failure may be tried again.
    """

    id: str
    strategy: str
    outcome: str
    files: tuple[tuple[str, str], ...] = ()
    tables: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Project, FakeStarlake], object] | None = None
    says: str = ""
    dry_run: bool = False
    gone: tuple[tuple[str, str], ...] = ()
    retries: bool = True

    def set_up(self, project: Project, fake: FakeStarlake) -> None:
        """Make what there is."""
        for area, name in self.files:
            project.put(area, name)
        if self.prepare:
            self.prepare(project, fake)

    def check_files(self, project: Project) -> None:
        """Assert that the check has taken away what it takes away, and nothing else."""
        for area, name in self.files:
            there = name in project.files(area)
            assert there is ((area, name) not in self.gone), f"{name} of {area} is {'there' if there else 'gone'}"


ACK, OTHER_ACK = ("pending", "2026-03-01.ack"), ("pending", "2026-03-02.ack")
CUSTOMERS, STRANGE = "customers_1.csv", "strange.csv"


def _exits_with(code: int) -> Callable[[Project, FakeStarlake], object]:
    return lambda _, fake: fake.behave("preload", exit_codes=[code])


def _is_a_folder(project: Project, _: FakeStarlake) -> None:
    (project.root / "GO.ack").mkdir()


CASES = (
    PreLoadCase("files have landed", "imported", LOADED, (("incoming", CUSTOMERS),), says="1 file in"),
    PreLoadCase("no table takes what has landed", "imported", SKIPPED, (("incoming", STRANGE),), says="no file in"),
    PreLoadCase("a stranger is named", "imported", SKIPPED, (("incoming", STRANGE),), says="matches no table"),
    PreLoadCase("files are staged", "pending", LOADED, (("stage", CUSTOMERS),), says="1 file in"),
    PreLoadCase("files are in the older area", "pending", LOADED, (("pending", CUSTOMERS),)),
    PreLoadCase("no table takes what is staged", "pending", SKIPPED, (("stage", STRANGE),), says="no file in"),
    PreLoadCase("files of another table", "pending", SKIPPED, (("stage", CUSTOMERS),), ("Orders",), says="of Orders"),
    PreLoadCase("files of one of the tables", "pending", LOADED, (("stage", CUSTOMERS),), ("Orders", "Customers")),
    PreLoadCase("the folder is missing", "pending", FAILED, says="stage/starbake", retries=False),
    PreLoadCase("a missing folder is empty", "pending", SKIPPED, env={"SL_MISSING_FOLDERS": "empty"}),
    PreLoadCase("the project is missing", "pending", FAILED, env={"SL_ROOT": "/no/such/project"}, says="SL_ROOT"),
    PreLoadCase(
        "the table is unknown",
        "pending",
        FAILED,
        (("stage", CUSTOMERS),),
        ("Custmers",),
        says="Customers?",
        retries=False,
    ),
    PreLoadCase("a path is wrong", "ack", FAILED, options={"global_ack_file_path": "{lake}/x"}, says="refers to lake"),
    PreLoadCase("the storage is unknown", "pending", FAILED, options={"pending_path": "nosuch://b/x"}, says="nosuch"),
    PreLoadCase(
        "a secret is missing",
        "pending",
        FAILED,
        (("stage", CUSTOMERS),),
        env={"TOKEN": {"env": "NOT_SET"}},
        retries=False,
    ),
    PreLoadCase("files that a load left are no skip", "pending", LOADED, (("ingesting", CUSTOMERS),), says=CUSTOMERS),
    PreLoadCase("the ack file of the run's date", "ack", LOADED, (ACK, OTHER_ACK), gone=(ACK,), says="found ack file"),
    PreLoadCase("the ack file of another date", "ack", SKIPPED, (OTHER_ACK,), says="2026-03-01.ack"),
    PreLoadCase("no ack file", "ack", SKIPPED, says="no ack file"),
    PreLoadCase(
        "the ack file is a folder",
        "ack",
        FAILED,
        options={"global_ack_file_path": "{SL_ROOT}/GO.ack"},
        prepare=_is_a_folder,
    ),
    PreLoadCase("the command says yes", "pending", LOADED, (("stage", CUSTOMERS),), ("Customers",), _COMMAND),
    PreLoadCase("the command says no", "pending", SKIPPED, (("stage", STRANGE),), ("Customers",), _COMMAND),
    *(
        PreLoadCase(
            f"the command exits with {code}",
            "imported",
            FAILED,
            options=_COMMAND,
            prepare=_exits_with(code),
            retries=code != 127,
        )
        for code in (1, 127, 137)
    ),
    PreLoadCase(
        "there is no command", "imported", FAILED, options={**_COMMAND, "SL_STARLAKE_PATH": "/no/such"}, retries=False
    ),
    PreLoadCase("a dry run", "ack", LOADED, (ACK,), dry_run=True, says="dry run"),
    PreLoadCase("a dry run of a command", "imported", LOADED, options=_COMMAND, dry_run=True, says="preload --domain"),
    PreLoadCase(
        "a sensor's time is up",
        "pending",
        FAILED,
        (("stage", STRANGE),),
        options=_SENSOR,
        says="pre_load_timeout",
        retries=False,
    ),
    PreLoadCase(
        "a sensor's time is up, which is no failure",
        "pending",
        SKIPPED,
        (("stage", STRANGE),),
        options={**_SENSOR, "pre_load_sensor_soft_fail": "true"},
    ),
    PreLoadCase("a sensor finds it at once", "imported", LOADED, (("incoming", CUSTOMERS),), options=_SENSOR),
)
