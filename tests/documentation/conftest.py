"""Fixtures of several pages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """Return the program that writes the pages of docs/reference."""
    spec = importlib.util.spec_from_file_location("site_reference", DOCS / "_site" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
