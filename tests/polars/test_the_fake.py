"""The stand-in for polars_cloud has the signatures of the real package, which is installed on its own for that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.polars.conftest import FAKE

UV = Path(sys.executable).with_name("uv")
PACKAGE = "polars-cloud==0.12.0"


def printed(python: str | Path, **options: object) -> dict:
    done = subprocess.run(
        [python, FAKE / "signatures.py"], check=True, capture_output=True, text=True, timeout=60, **options
    )
    return json.loads(done.stdout)


@pytest.mark.slow
def test_it_has_the_signatures_of_the_real_package(tmp_path):
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "real"], check=True, timeout=60)
    install = [UV, "pip", "install", "--quiet", "--python", tmp_path / "real" / "bin" / "python", PACKAGE]
    subprocess.run(install, check=True, timeout=280)
    real = printed(tmp_path / "real" / "bin" / "python")
    fake = printed(sys.executable, env={"PYTHONPATH": str(FAKE), "FAKE_POLARS_CLOUD": str(tmp_path)})
    assert fake["signatures"] == real["signatures"]
    assert fake["attributes"] == real["attributes"]
