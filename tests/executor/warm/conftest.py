from __future__ import annotations

import pytest

from tests.executor.warm.fake_starlake import NO_JDK, FakeStarlake, install_fake_starlake, jdk
from tests.executor.warm.warm_commands import nothing_left


@pytest.fixture(scope="session")
def fake_starlake(tmp_path_factory: pytest.TempPathFactory) -> FakeStarlake:
    """Return a fake Starlake, installed as the real one; see `tests/executor/warm/java/ai/starlake/job/Main.java`."""
    if not jdk():
        pytest.skip(NO_JDK)
    return install_fake_starlake(tmp_path_factory.mktemp("starlake") / "home")


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """Yield the folder in which the warm servers of a test are known; they end with the test."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    with nothing_left(folder):
        yield folder
