"""The sample backend, imported as its users import it: with its folder on the path."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "samples" / "kubernetes"


@contextmanager
def sample_module():
    """Yield the module, until the end of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SAMPLE))
        try:
            yield importlib.import_module("kubernetes_jobs")
        finally:
            for name in ("kubernetes_jobs", "kubernetes_api"):
                sys.modules.pop(name, None)
