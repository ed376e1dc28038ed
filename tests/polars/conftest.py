"""Projects with Python tasks of Polars, and a Polars Cloud in a folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent, indent
from typing import Any
from uuid import uuid4

import pytest

from tests.embedded.conftest import Workshop

FAKE = Path(__file__).parents[1] / "fakes" / "polars_cloud"
SECRET = "s3cr3t/of+robot"


class Studio(Workshop):
    """A project with Python tasks."""

    def python(self, name: str, body: str, **keys: Any) -> None:
        """Write a Python task ``mart.{name}``; Polars is `pl` in its function."""
        self.write(f"metadata/transform/mart/{name}.sl.yml", task=keys)
        file = self.root / f"metadata/transform/mart/{name}.py"
        file.write_text(
            f"import polars as pl\n\n\ndef task(connection, variables):\n{indent(dedent(body).strip(), '    ')}\n"
        )


class FakeCloud:
    """A Polars Cloud in a folder, with one service account."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.account = f"robot-{uuid4()}"
        self.environment = {
            "FAKE_POLARS_CLOUD": str(folder),
            "POLARS_CLOUD_CLIENT_ID": self.account,
            "POLARS_CLOUD_CLIENT_SECRET": SECRET,
        }
        (folder / "bucket").mkdir(parents=True)
        self.set(accounts={self.account: SECRET}, faults={})

    @property
    def bucket(self) -> Path:
        """Files that the machines can read."""
        return self.folder / "bucket"

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of its behaviour; see `service.py`."""
        file = self.folder / "settings.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def set(self, **settings: Any) -> None:
        """Change how it behaves."""
        self._replace("settings.json", {**self.settings, **settings})

    def fault(self, call: str, error: str = "a fault", times: int = 1000) -> None:
        """Lets calls fail."""
        self.set(faults={**self.settings["faults"], call: {"error": error, "times": times}})

    @property
    def state(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            return json.loads((self.folder / "state.json").read_text())
        return {"clusters": {}, "manifests": {}, "queries": [], "calls": {}}

    def write(self, state: dict[str, Any]) -> None:
        """Change what there is."""
        self._replace("state.json", state)

    def _replace(self, name: str, content: dict[str, Any]) -> None:
        """Write a file in one step: other processes may read it meanwhile."""
        new = self.folder / f"{name}.test"
        new.write_text(json.dumps(content))
        new.replace(self.folder / name)

    @property
    def clusters(self) -> list[dict[str, Any]]:
        return list(self.state["clusters"].values())

    @property
    def running(self) -> list[str]:
        """The names of the contexts that cost money."""
        return [each["name"] for each in self.clusters if each["status"] in ("Starting", "Idle", "Running")]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "project")


@pytest.fixture(scope="session")
def fake_package() -> Iterator[None]:
    """Let the stand-in be imported; as of the real package, there is one login per process."""
    import polars

    before = polars.LazyFrame.remote
    sys.path.insert(0, str(FAKE))
    yield
    sys.path.remove(str(FAKE))
    polars.LazyFrame.remote = before
    for name in [name for name in sys.modules if name.partition(".")[0] == "polars_cloud"]:
        del sys.modules[name]


@pytest.fixture
def cloud(fake_package: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    """Return a Polars Cloud that nobody uses yet."""
    from ai.starlake.common.extras import require_package

    require_package.cache_clear()
    made = FakeCloud(tmp_path / "cloud")
    monkeypatch.setenv("FAKE_POLARS_CLOUD", str(made.folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(FAKE), os.environ.get("PYTHONPATH")])))
    monkeypatch.setattr("ai.starlake.polars.cloud_context._PAUSE", 0.01)
    monkeypatch.setattr("ai.starlake.polars.remote_query._POLL", 0.02)
    return made
