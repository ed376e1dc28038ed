"""The tests that docs/testing.md shows pass on the sample bakery."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bakery import SAMPLE
from tests.documentation.code_blocks import ROOT, blocks_of


@pytest.mark.slow
def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "my_project", ignore=shutil.ignore_patterns("datasets"))
    blocks = [block.text for block in blocks_of(ROOT / "docs" / "testing.md") if block.language == "python"]
    (tmp_path / "test_bakery.py").write_text("\n".join(blocks), encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{sum(text.count('def test_') for text in blocks)} passed" in done.stdout
