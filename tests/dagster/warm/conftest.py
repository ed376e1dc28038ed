"""The bakery, whose commands a fake Starlake in Java hands on to the embedded engine; and who ran them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bakery import SAMPLE
from tests.executor.warm.conftest import fake_starlake as fake_starlake  # noqa: PLC0414  a fixture
from tests.executor.warm.fake_starlake import RUNS, FakeStarlake
from tests.executor.warm.warm_commands import nothing_left

ENGINE = Path(sys.executable).with_name("starlake-embedded")
_HAND_ON = """\
#!/bin/sh
echo "$PPID $*" >> '{journal}'
if [ -e '{fault}' ] && [ "$1" = load ]; then
  case "$*" in *"$(cat '{fault}')"*) rm '{fault}'; echo "ERROR broken once" >&2; exit 1;; esac
fi
exec '{engine}' "$@"
"""


@dataclass(frozen=True)
class WarmBakery:
    """A copy of the sample project, and a fake Starlake that runs its commands.

    Args:
        folder: Holds all of it.
        fake: The fake, which is started as the real one is.
    """

    folder: Path
    fake: FakeStarlake

    @property
    def root(self) -> Path:
        """The project."""
        return self.folder / "bakery"

    @property
    def database(self) -> Path:
        """The database."""
        return self.root / "datasets/duckdb.db"

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of jobs."""
        variables = {"SL_ROOT": str(self.root), RUNS: str(self.folder / "hand-on")}
        return {"SL_STARLAKE_PATH": str(self.fake.starlake), "sl_env_var": variables}

    @classmethod
    def make(cls, folder: Path, fake: FakeStarlake) -> WarmBakery:
        """Write its files."""
        bakery = cls(folder, fake)
        shutil.copytree(SAMPLE, bakery.root, ignore=shutil.ignore_patterns("datasets", "dags", "__pycache__"))
        for file in (bakery.root / "metadata/load").rglob("*.yml"):
            lines = [line for line in file.read_text("utf-8").splitlines() if "schedule:" not in line]
            file.write_text("\n".join(lines), encoding="utf-8")
        script = _HAND_ON.format(journal=folder / "journal", fault=folder / "fault", engine=ENGINE)
        (folder / "hand-on").write_text(script, encoding="utf-8")
        (folder / "hand-on").chmod(0o755)
        return bakery

    def break_once(self, words: str) -> None:
        """Let the next load fail whose arguments have some words."""
        (self.folder / "fault").write_text(words, encoding="utf-8")

    @property
    def commands(self) -> list[tuple[int, str]]:
        """The virtual machines of the commands, and their arguments."""
        lines = (self.folder / "journal").read_text("utf-8").splitlines()
        return [(int(pid), arguments) for pid, _, arguments in (line.partition(" ") for line in lines)]

    @property
    def machines(self) -> set[int]:
        """The virtual machines that commands ran in."""
        return {pid for pid, _ in self.commands}


@pytest.fixture(scope="session", autouse=True)
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder with the records of all warm servers of these tests; none is left at the end."""
    folder = tmp_path_factory.mktemp("runtime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        with nothing_left(folder):
            yield folder


@pytest.fixture(scope="module")
def bakery(tmp_path_factory: pytest.TempPathFactory, fake_starlake: FakeStarlake) -> WarmBakery:
    return WarmBakery.make(tmp_path_factory.mktemp("warm"), fake_starlake)
