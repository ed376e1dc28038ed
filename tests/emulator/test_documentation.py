"""The example of docs/testing-gcp.md runs, and its tables name what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from starlake_gcp_emulator import GcpEmulator

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "testing-gcp.md").read_text(encoding="utf-8")
FILES = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.slow
def test_the_example_passes_as_it_stands(tmp_path: Path) -> None:
    assert [name for name, _ in FILES] == ["pipeline.py", "conftest.py", "test_pipeline.py"]
    for name, content in FILES:
        (tmp_path / name).write_text(content, encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "3 passed" in done.stdout


def test_every_attribute_that_the_page_names_is_there(gcp: GcpEmulator) -> None:
    named = set(re.findall(r"(?<![\w.])gcp\.([a-z_]+)", TEXT))
    assert len(named) > 10
    assert [name for name in named if not hasattr(gcp, name)] == []


def test_the_page_lists_the_methods_that_there_are(gcp: GcpEmulator) -> None:
    section = TEXT.partition("## What is emulated")[2].partition("- **Requests**")[0]
    methods = re.findall(r"`([A-Z][A-Za-z]+)`", section)
    for method in methods:
        gcp.fault(method, "UNAVAILABLE")
    listed = 5 + 6 + 6 + 4 + 5 + 1 + 1
    assert len(methods) == listed
    assert len(gcp.machine.methods) == listed
